// Running figures of a training loop.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

namespace cloob {

/// How fast training goes, over the steps of the last `window_seconds` (always at least the last step).
///
/// Times are those of the steps themselves, so evaluations and saves between steps do not lower the rates.
class StepMeter {
 public:
  explicit StepMeter(double window_seconds) : window_seconds_(window_seconds) {}

  /// One step.
  struct Step {
    double seconds = 0;              ///< in all
    double data_seconds = 0;         ///< of these, waiting for the batch
    std::int64_t num_samples = 0;    ///< that it learned from
    std::int64_t ready_batches = 0;  ///< that were waiting when it began
  };
  void add(const Step& step);

  /// Whether no step was added yet.
  bool empty() const { return steps_.empty(); }
  /// These four need at least one step.
  double samples_per_second() const;
  double seconds_per_step() const;
  double data_seconds_per_step() const;
  double ready_batches_per_step() const;
  /// Share of the time spent waiting for data, 0 to 1; needs at least one step.
  double data_wait() const;
  /// What `num_steps` more steps will take at this speed; nothing before the first step.
  std::optional<double> seconds_for(std::int64_t num_steps) const;

 private:
  Step sum() const;

  double window_seconds_;
  std::deque<Step> steps_;
  double seconds_in_window_ = 0;
};

}  // namespace cloob
