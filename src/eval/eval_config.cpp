#include "cloob/eval/eval_config.h"

namespace cloob {

EvaluationSchedule schedule_of(const EvalConfig& config, const std::string& name) {
  EvaluationSchedule schedule{config.every_epochs, config.every_steps, config.at_end, config.max_samples};
  const auto found = config.evaluations.find(name);
  if (found == config.evaluations.end()) return schedule;
  const EvaluationConfig& own = found->second;
  if (own.every_epochs || own.every_steps) {
    schedule.every_epochs = own.every_epochs.value_or(0);
    schedule.every_steps = own.every_steps;
  }
  schedule.at_end = own.at_end.value_or(schedule.at_end);
  if (own.max_samples) schedule.max_samples = own.max_samples;
  return schedule;
}

}  // namespace cloob
