#include "cloob/optim/spike_guard.h"

#include <ATen/ATen.h>

#include <cmath>

#include "support/support.h"

namespace cloob {
namespace {

SpikeGuard warmed_up_guard(double max_norm_ratio, double norm) {
  SpikeGuard guard({.enabled = true, .max_norm_ratio = max_norm_ratio});
  for (int step = 0; step < 20; ++step) EXPECT_TRUE(guard.accepts(0, 1.0, norm));
  return guard;
}

TEST(SpikeGuard, AcceptsAnyFiniteNormBeforeItsWarmup) {
  SpikeGuard guard({.enabled = true, .max_norm_ratio = 2});
  for (const double norm : {1.0, 100.0, 1.0, 1e6}) EXPECT_TRUE(guard.accepts(0, 1.0, norm));
  EXPECT_FALSE(guard.accepts(0, 1.0, NAN));
  EXPECT_FALSE(guard.accepts(0, INFINITY, 1.0));
  EXPECT_EQ(guard.skipped(), 2);
}

TEST(SpikeGuard, SkipsNormsFarAboveTheAverage) {
  SpikeGuard guard = warmed_up_guard(3, 2);
  EXPECT_DOUBLE_EQ(guard.largest_norm(), 6);
  EXPECT_FALSE(guard.accepts(20, 1.0, 6.01));
  EXPECT_FALSE(guard.accepts(22, 1.0, 50));
  EXPECT_EQ(guard.skipped_in_a_row(), 2);
  EXPECT_EQ(guard.first_skipped_step(), 20);
  EXPECT_DOUBLE_EQ(guard.largest_norm(), 6) << "skipped norms are not averaged";
  EXPECT_TRUE(guard.accepts(0, 1.0, 5.9));
  EXPECT_EQ(guard.skipped_in_a_row(), 0);
  EXPECT_EQ(guard.skipped(), 2);
  EXPECT_GT(guard.largest_norm(), 6);
}

TEST(SpikeGuard, AdaptsToChangingNorms) {
  SpikeGuard guard = warmed_up_guard(3, 2);
  for (int step = 0; step < 1000; ++step) EXPECT_TRUE(guard.accepts(0, 1.0, 4));
  EXPECT_NEAR(guard.largest_norm(), 12, 0.01);
}

TEST(SpikeGuard, RestoresItsState) {
  SpikeGuard original = warmed_up_guard(3, 2);
  original.accepts(70, 1.0, 100);
  SpikeGuard resumed({.enabled = true, .max_norm_ratio = 3});
  resumed.load_state(original.state());
  EXPECT_EQ(resumed.largest_norm(), original.largest_norm());
  EXPECT_EQ(resumed.skipped(), 1);
  EXPECT_EQ(resumed.skipped_in_a_row(), 1);
  EXPECT_EQ(resumed.first_skipped_step(), 70);
  testing::expect_user_error([&] { resumed.load_state({}); }, {"saved spike guard state", "'accepted'"});
}

}  // namespace
}  // namespace cloob
