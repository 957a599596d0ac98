#include "cloob/eval/suite/suite_config.h"

#include <set>

#include "cloob/base/error.h"

namespace cloob {

void SuiteSettings::validate() const {
  const std::set<std::int64_t> different(shots.begin(), shots.end());
  if (different.size() < shots.size()) throw_user_error("eval.shots has a number twice");
}

void SuiteConfig::validate() const {
  if (sets.empty())
    throw_user_error(
        "sets is empty: name at least one data set, as in 'sets: {{cifar10: {{path: cifar10}}}}'");
  for (const auto& [name, set] : sets) {
    if (set.path.empty()) throw_user_error("sets.{}.path is not set", name);
    if (!set.data.train.empty() || !set.data.val.empty())
      throw_user_error("sets.{0}.data names data for training: the data set itself is sets.{0}.path", name);
    if (std::set(set.tasks.begin(), set.tasks.end()).size() < set.tasks.size())
      throw_user_error("sets.{}.tasks names a task twice", name);
  }
}

}  // namespace cloob
