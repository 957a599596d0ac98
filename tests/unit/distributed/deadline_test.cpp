#include "distributed/deadline.h"

#include <gtest/gtest.h>

#include <thread>

#include "cloob/base/rank_failure.h"

namespace cloob {
namespace {

using namespace std::chrono_literals;

TEST(DeadlineDeathTest, EndsTheProcessUnlessItIsMet) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  {
    const Deadline met(100s, "not seen");
  }
  EXPECT_EXIT(
      {
        const Deadline missed(0s, "rank 0 does not answer");
        std::this_thread::sleep_for(30s);
      },
      ::testing::ExitedWithCode(kExitRankFailure), "error: rank 0 does not answer");
}

}  // namespace
}  // namespace cloob
