#include "device/processor_use.h"

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "support/support.h"

namespace cloob {
namespace {

TEST(BusySeconds, CountsOnlyTheGivenProcessors) {
  constexpr const char* kStat =
      "cpu  999 999 999 999 999 999 999 999 0 0\n"
      "cpu0 100 20 30 4000 50 6 7 80 9 10\n"
      "cpu1 200 0 0 5000 0 0 0 0 0 0\n"
      "cpu11 300 0 0 5000 0 0 0 0 0 0\n"
      "intr 1 2 3\n";
  const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
  EXPECT_DOUBLE_EQ(busy_seconds(kStat, {0}), (100 + 20 + 30 + 6 + 7) / ticks);
  EXPECT_DOUBLE_EQ(busy_seconds(kStat, {0, 1}), 363 / ticks);
  EXPECT_DOUBLE_EQ(busy_seconds(kStat, {11}), 300 / ticks);
  EXPECT_EQ(busy_seconds("", {0}), 0);
  EXPECT_EQ(busy_seconds("cpu0\ncpux 1\ncpu0 a b c", {0}), 0);
}

TEST(OwnProcessors, ContainAtLeastOne) { EXPECT_GE(own_processors().size(), 1U); }

TEST(UsedSeconds, IncreaseWithWork) {
  const double before = used_seconds();
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(60);
  std::atomic<int> work = 0;
  while (std::chrono::steady_clock::now() < end) ++work;
  EXPECT_GT(used_seconds(), before);
}

}  // namespace
}  // namespace cloob
