// Tensors of several owners in one map: "optimizer.<name>", "objective.<name>".
#pragma once

#include <string>

#include "cloob/base/named_tensors.h"

namespace cloob {

inline void add_with_prefix(NamedTensors& all, const std::string& prefix, const NamedTensors& some) {
  for (const auto& [name, tensor] : some) all.emplace(prefix + name, tensor);
}

inline NamedTensors with_prefix_removed(const NamedTensors& all, const std::string& prefix) {
  NamedTensors some;
  for (auto at = all.lower_bound(prefix); at != all.end() && at->first.starts_with(prefix); ++at) {
    some.emplace(at->first.substr(prefix.size()), at->second);
  }
  return some;
}

}  // namespace cloob
