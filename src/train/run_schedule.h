// When evaluations and checkpoints are due.
#pragma once

#include <cstdint>
#include <vector>

#include "cloob/checkpoint/checkpoint_config.h"
#include "cloob/eval/suite.h"

namespace cloob {

/// The progress of a run after a step.
struct RunProgress {
  std::int64_t step = 0;
  double epochs_done =
      0;  ///< passes over the data; an integer at the end of an epoch, if episodes are such passes
  double episode = 1;  ///< in passes; with other episodes, an epoch ends with the episode that completes it
  bool ends_episode = true;  ///< whether one has just ended
};

class RunSchedule {
 public:
  /// `suite` must outlive this.
  RunSchedule(const CheckpointConfig& checkpoint, const EvaluationSuite& suite,
              bool evaluates_before_training, std::int64_t total_steps);

  std::int64_t total_steps() const { return total_steps_; }
  /// Whether an epoch whose number is a multiple of `every_epochs` has just ended; never if that is 0.
  bool ends_epoch(const RunProgress& progress, std::int64_t every_epochs = 1) const;

  /// The evaluations that are due.
  std::vector<const SuiteEntry*> due_evaluations(const RunProgress& progress) const;
  /// Whether a checkpoint is due. `may_be_best`: whether `checkpoint.best_metric` was measured on the current
  /// weights.
  bool save_is_due(const RunProgress& progress, bool may_be_best) const;
  /// Whether a checkpoint is due because of the time since the last one.
  bool save_is_due(double seconds_since_save) const;

 private:
  bool is_due(const EvaluationSchedule& schedule, const RunProgress& progress) const;

  CheckpointConfig checkpoint_;
  const EvaluationSuite& suite_;
  bool evaluates_before_training_;
  std::int64_t total_steps_;
};

}  // namespace cloob
