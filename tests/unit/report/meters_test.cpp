#include "cloob/report/meters.h"

#include "cloob/base/error.h"
#include "support/support.h"

namespace cloob {
namespace {

TEST(StepMeter, GivesRatesOverItsWindow) {
  StepMeter meter(/*window_seconds=*/4);
  meter.add(100, 100, 1);  // a slow first step leaves the window
  meter.add(2, 0.5, 64);
  meter.add(2, 0.1, 64);
  EXPECT_DOUBLE_EQ(meter.samples_per_second(), 32);
  EXPECT_DOUBLE_EQ(meter.seconds_per_step(), 2);
  EXPECT_DOUBLE_EQ(meter.data_seconds_per_step(), 0.3);
  EXPECT_DOUBLE_EQ(meter.data_wait(), 0.15);
  EXPECT_DOUBLE_EQ(meter.seconds_for(10).value(), 20);
}

TEST(StepMeter, KeepsTheLastStepHoweverLong) {
  StepMeter meter(/*window_seconds=*/4);
  meter.add(1, 0, 10);
  meter.add(50, 25, 100);
  EXPECT_DOUBLE_EQ(meter.samples_per_second(), 2);
  EXPECT_DOUBLE_EQ(meter.data_wait(), 0.5);
}

TEST(StepMeter, KnowsNothingBeforeTheFirstStep) {
  const StepMeter meter(/*window_seconds=*/4);
  EXPECT_FALSE(meter.seconds_for(10));
  EXPECT_THROW(meter.samples_per_second(), InternalError);
}

}  // namespace
}  // namespace cloob
