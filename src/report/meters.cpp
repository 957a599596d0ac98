#include "cloob/report/meters.h"

#include "cloob/base/error.h"

namespace cloob {

void StepMeter::add(const Step& step) {
  steps_.push_back(step);
  seconds_in_window_ += step.seconds;
  while (steps_.size() > 1 && seconds_in_window_ > window_seconds_) {
    seconds_in_window_ -= steps_.front().seconds;
    steps_.pop_front();
  }
}

// Recomputed each time: a running sum would drift over millions of steps.
StepMeter::Step StepMeter::sum() const {
  CLOOB_CHECK(!steps_.empty(), "no step has been added");
  Step total;
  for (const Step& step : steps_) {
    total.seconds += step.seconds;
    total.data_seconds += step.data_seconds;
    total.num_samples += step.num_samples;
    total.ready_batches += step.ready_batches;
  }
  return total;
}

double StepMeter::samples_per_second() const {
  const Step total = sum();
  return static_cast<double>(total.num_samples) / total.seconds;
}

double StepMeter::seconds_per_step() const { return sum().seconds / static_cast<double>(steps_.size()); }

double StepMeter::data_seconds_per_step() const {
  return sum().data_seconds / static_cast<double>(steps_.size());
}

double StepMeter::ready_batches_per_step() const {
  return static_cast<double>(sum().ready_batches) / static_cast<double>(steps_.size());
}

double StepMeter::data_wait() const {
  const Step total = sum();
  return total.data_seconds / total.seconds;
}

std::optional<double> StepMeter::seconds_for(std::int64_t num_steps) const {
  if (steps_.empty()) return std::nullopt;
  return static_cast<double>(num_steps) * seconds_per_step();
}

}  // namespace cloob
