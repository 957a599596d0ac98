#include <gtest/gtest.h>

#include <thread>

#include "cloob/base/rank_failure.h"
#include "support/connected_ranks.h"

namespace cloob {
namespace {

using namespace std::chrono_literals;
using ::testing::ExitedWithCode;

constexpr auto kForever = 60s;

const Collectives& connect(Ranks& ranks) { return ranks.connect(at::kCPU, {.start = 20s, .step = 2s}, ""); }

// Operations of GPUs wait for a rank that has left, so that nothing but the watch notices.
TEST(RankWatchDeathTest, JudgesTheOthersWhenARankHasLeft) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      testing::run_connected_ranks(3,
                                   [](Ranks& ranks) {
                                     const Collectives& collectives = connect(ranks);
                                     if (ranks.rank() == 1) return;
                                     const bool hangs = ranks.rank() == 2;
                                     collectives.announce(hangs ? RankActivity::step : RankActivity::data);
                                     std::this_thread::sleep_for(kForever);
                                   }),
      ExitedWithCode(kExitRankFailure), "error: rank 2 of 3 on .* has been in one step for 2 seconds");
}

TEST(RankWatchDeathTest, TellsTheOthersWhyAnOperationHasFailed) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(testing::run_connected_ranks(3,
                                           [](Ranks& ranks) {
                                             const Collectives& collectives = connect(ranks);
                                             if (ranks.rank() == 2) return;
                                             collectives.announce(RankActivity::data);
                                             if (ranks.rank() == 0) std::this_thread::sleep_for(kForever);
                                             EXPECT_THROW(collectives.max(0), RankFailure);
                                           }),
              ExitedWithCode(kExitRankFailure), "error: rank 2 of 3 on .* has ended without a word");
}

}  // namespace
}  // namespace cloob
