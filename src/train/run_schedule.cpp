#include "train/run_schedule.h"

#include <cmath>

namespace cloob {

RunSchedule::RunSchedule(const CheckpointConfig& checkpoint, const EvaluationSuite& suite,
                         bool evaluates_before_training, std::int64_t total_steps)
    : checkpoint_(checkpoint),
      suite_(suite),
      evaluates_before_training_(evaluates_before_training),
      total_steps_(total_steps) {}

bool RunSchedule::ends_epoch(const RunProgress& progress, std::int64_t every_epochs) const {
  if (every_epochs == 0 || progress.step == 0 || !progress.ends_episode) return false;
  const auto times_done = [&](double epochs) {
    constexpr double kRounding = 1e-9;
    return std::floor(epochs / static_cast<double>(every_epochs) + kRounding);
  };
  return times_done(progress.epochs_done) > times_done(progress.epochs_done - progress.episode);
}

bool RunSchedule::is_due(const EvaluationSchedule& schedule, const RunProgress& progress) const {
  if (progress.step == 0) return evaluates_before_training_;
  return (progress.step == total_steps_ && schedule.at_end) || ends_epoch(progress, schedule.every_epochs) ||
         (schedule.every_steps && progress.step % *schedule.every_steps == 0);
}

std::vector<const SuiteEntry*> RunSchedule::due_evaluations(const RunProgress& progress) const {
  std::vector<const SuiteEntry*> due;
  for (const SuiteEntry& entry : suite_.entries()) {
    if (is_due(entry.schedule, progress)) due.push_back(&entry);
  }
  return due;
}

bool RunSchedule::save_is_due(const RunProgress& progress, bool may_be_best) const {
  if (!checkpoint_.best_metric.empty() && may_be_best) return true;
  if (progress.step == total_steps_) return checkpoint_.at_end;
  return ends_epoch(progress, checkpoint_.every_epochs) ||
         (checkpoint_.every_steps > 0 && progress.step % checkpoint_.every_steps == 0);
}

bool RunSchedule::save_is_due(double seconds_since_save) const {
  return checkpoint_.every_minutes > 0 && seconds_since_save >= 60 * checkpoint_.every_minutes;
}

}  // namespace cloob
