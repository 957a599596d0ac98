#include "cloob/eval/eval_config.h"

#include <set>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/named_path.h"

namespace cloob {
void EvalConfig::validate() const {
  std::set<std::string> names = {kPairEvaluation};
  for (const std::string& text : zero_shot) {
    const std::string name = named_path(text).name;
    if (names.insert(name).second) continue;
    throw_user_error(
        "eval.zero_shot: two evaluations are named '{}'; give this one another name with NAME={}", name,
        text);
  }
  for (const auto& [name, probe] : linear_probe) {
    if (!names.insert(name).second)
      throw_user_error("eval.linear_probe: two evaluations are named '{}'; give this one another name", name);
    for (const auto& [setting, path] : {std::pair("train", &probe.train), std::pair("test", &probe.test)}) {
      if (path->empty())
        throw_user_error("eval.linear_probe.{}.{} is not set: name a folder of images by class", name,
                         setting);
    }
  }
  for (const auto& [name, own] : clusters) {
    if (!names.insert(name).second)
      throw_user_error("eval.clusters: two evaluations are named '{}'; give this one another name", name);
    if (own.data.empty())
      throw_user_error("eval.clusters.{}.data is not set: name a folder of images by class", name);
  }
}

void EvalConfig::require_pairs() const {
  constexpr std::int64_t kMinPairs = 2;
  if (schedule_of(*this, kPairEvaluation).max_samples.value_or(kMinPairs) >= kMinPairs) return;
  const bool is_own = evaluations.contains(kPairEvaluation) && evaluations.at(kPairEvaluation).max_samples;
  throw_user_error("eval.{}max_samples is 1, but the loss of pairs needs at least 2 of them",
                   is_own ? "evaluations.pairs." : "");
}

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
