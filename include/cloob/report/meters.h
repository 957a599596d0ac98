// Running measurements of a training loop.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

namespace cloob {

/// Measures training speed over the steps of the last `window_seconds` (always at least the last step).
///
/// Only the time of the steps counts, so evaluations and saves between steps do not lower the rates.
class StepMeter {
 public:
  explicit StepMeter(double window_seconds) : window_seconds_(window_seconds) {}

  /// One step.
  struct Step {
    double seconds = 0;              ///< total duration
    double data_seconds = 0;         ///< part of it spent waiting for the batch
    std::int64_t num_samples = 0;    ///< samples it was trained on
    std::int64_t ready_batches = 0;  ///< batches that were ready when it began
  };
  void add(const Step& step);

  /// Whether no step has been added yet.
  bool empty() const { return steps_.empty(); }
  /// The following five need at least one step.
  double samples_per_second() const;
  double seconds_per_step() const;
  double data_seconds_per_step() const;
  double ready_batches_per_step() const;
  /// Fraction of the time spent waiting for data.
  double data_wait() const;
  /// Estimated time for `num_steps` more steps; nullopt before the first step.
  std::optional<double> seconds_for(std::int64_t num_steps) const;

 private:
  Step sum() const;

  double window_seconds_;
  std::deque<Step> steps_;
  double seconds_in_window_ = 0;
};

}  // namespace cloob
