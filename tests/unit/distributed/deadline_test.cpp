#include "distributed/deadline.h"

#include <gtest/gtest.h>
#include <signal.h>

#include "cloob/distributed/launcher.h"
#include "cloob/distributed/rank_failure.h"

namespace cloob {
namespace {

using namespace std::chrono_literals;

TEST(DeadlineDeathTest, EndsTheProcessUnlessItIsMet) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  { const Deadline met(100s, "not seen"); }
  EXPECT_EXIT(
      {
        const Deadline missed(0s, "rank 0 does not answer");
        std::this_thread::sleep_for(30s);
      },
      ::testing::ExitedWithCode(kExitRankFailure), "error: rank 0 does not answer");
}

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

}  // namespace
}  // namespace cloob
