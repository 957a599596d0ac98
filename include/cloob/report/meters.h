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

  /// A step that took `seconds` in all, `data_seconds` of it waiting for the batch, and learned from
  /// `num_samples`.
  void add(double seconds, double data_seconds, std::int64_t num_samples);

  /// These three need at least one step.
  double samples_per_second() const;
  double seconds_per_step() const;
  double data_seconds_per_step() const;
  /// Share of the time spent waiting for data, 0 to 1; needs at least one step.
  double data_wait() const;
  /// What `num_steps` more steps will take at this speed; nothing before the first step.
  std::optional<double> seconds_for(std::int64_t num_steps) const;

 private:
  struct Step {
    double seconds = 0;
    double data_seconds = 0;
    std::int64_t num_samples = 0;
  };
  Step sum() const;

  double window_seconds_;
  std::deque<Step> steps_;
  double seconds_in_window_ = 0;
};

}  // namespace cloob
