#include "cloob/distributed/launcher.h"

#include <signal.h>

#include <filesystem>

#include "support/support.h"

namespace cloob {
namespace {

using namespace std::chrono_literals;

// The others have nothing to wait for, so that nobody else ends a rank that was stopped after the last operation.
TEST(Launcher, KillsStoppedRanksWhenTheOthersHaveEnded) {
  const auto begin = std::chrono::steady_clock::now();
  const int status = launch(
      {.num_ranks = 3, .command = {"sh", "-c", "if [ $RANK = 1 ]; then kill -STOP $$; fi"}, .patience = 1s});
  EXPECT_EQ(status, 128 + SIGKILL);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 30s);
}

TEST(Launcher, WaitsForRanksThatAreStoppedForAMoment) {
  const int status =
      launch({.num_ranks = 2,
              .command = {"sh", "-c", "if [ $RANK = 1 ]; then (sleep 1; kill -CONT $$) & kill -STOP $$; fi"},
              .patience = 5s});
  EXPECT_EQ(status, 0);
}

TEST(Launcher, LeavesARankThatIsSavingToItself) {
  const testing::TempDir folder;
  const std::string save = "trap '' TERM; for i in 1 2 3 4 5 6 7 8 9; do sleep 1; done; touch " +
                           (folder / "saved").string() + "; exit 75";
  const int status =
      launch({.num_ranks = 2, .command = {"sh", "-c", "[ $RANK = 1 ] && exit 9; " + save}, .patience = 1s});
  EXPECT_EQ(status, 9);
  EXPECT_TRUE(std::filesystem::exists(folder / "saved"));
}

TEST(Launcher, KillsARankThatNeverEnds) {
  const auto begin = std::chrono::steady_clock::now();
  const std::string command = "[ $RANK = 1 ] && exit 9; trap '' TERM; while true; do sleep 1; done";
  const int status =
      launch({.num_ranks = 2, .command = {"sh", "-c", command}, .patience = 1s, .time_to_save = 2s});
  EXPECT_EQ(status, 9);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 30s);
}

}  // namespace
}  // namespace cloob
