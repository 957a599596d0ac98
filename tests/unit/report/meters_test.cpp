#include "cloob/report/meters.h"

#include "cloob/base/error.h"
#include "support/support.h"

namespace cloob {
namespace {

TEST(StepMeter, ComputesRatesOverItsWindow) {
  StepMeter meter(/*window_seconds=*/4);
  meter.add({.seconds = 100, .data_seconds = 100, .num_samples = 1});  // a slow first step leaves the window
  meter.add({.seconds = 2, .data_seconds = 0.5, .num_samples = 64, .ready_batches = 1});
  meter.add({.seconds = 2, .data_seconds = 0.1, .num_samples = 64, .ready_batches = 2});
  EXPECT_DOUBLE_EQ(meter.samples_per_second(), 32);
  EXPECT_DOUBLE_EQ(meter.seconds_per_step(), 2);
  EXPECT_DOUBLE_EQ(meter.data_seconds_per_step(), 0.3);
  EXPECT_DOUBLE_EQ(meter.data_wait(), 0.15);
  EXPECT_DOUBLE_EQ(meter.ready_batches_per_step(), 1.5);
  EXPECT_DOUBLE_EQ(meter.seconds_for(10).value(), 20);
}

TEST(StepMeter, KeepsTheLastStepEvenIfLongerThanTheWindow) {
  StepMeter meter(/*window_seconds=*/4);
  meter.add({.seconds = 1, .data_seconds = 0, .num_samples = 10});
  meter.add({.seconds = 50, .data_seconds = 25, .num_samples = 100});
  EXPECT_DOUBLE_EQ(meter.samples_per_second(), 2);
  EXPECT_DOUBLE_EQ(meter.data_wait(), 0.5);
}

TEST(StepMeter, HasNoEstimateBeforeTheFirstStep) {
  const StepMeter meter(/*window_seconds=*/4);
  EXPECT_FALSE(meter.seconds_for(10));
  EXPECT_THROW(meter.samples_per_second(), InternalError);
}

}  // namespace
}  // namespace cloob
