#include "cloob/eval/eval_config.h"

#include <filesystem>
#include <set>

#include "cloob/base/error.h"

namespace cloob {
namespace {

// "data/cifar10/test/" -> "test"
std::string last_component(const std::string& path) {
  const std::filesystem::path folder = std::filesystem::path(path).lexically_normal();
  return (folder.has_filename() ? folder : folder.parent_path()).filename().string();
}

}  // namespace

ZeroShotSet zero_shot_set(const std::string& text) {
  const std::size_t equals = text.find('=');
  const bool has_name = equals != std::string::npos && text.find('/') > equals;
  std::error_code ignored;
  if (!has_name || std::filesystem::exists(text, ignored)) return {last_component(text), text};
  ZeroShotSet set{text.substr(0, equals), text.substr(equals + 1)};
  if (set.name.empty() || set.path.empty()) throw_user_error("'{}': expected a path or NAME=PATH", text);
  return set;
}

void EvalConfig::validate() const {
  std::set<std::string> names = {kPairEvaluation};
  for (const std::string& text : zero_shot) {
    const std::string name = zero_shot_set(text).name;
    if (names.insert(name).second) continue;
    throw_user_error(
        "eval.zero_shot: two evaluations are named '{}'; give this one another name with NAME={}", name,
        text);
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
