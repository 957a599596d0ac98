// Snapshots of tensors that continue to change.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>

#include "cloob/base/named_tensors.h"

namespace cloob {

/// Detached copies in their own memory.
inline NamedTensors copies_of(const NamedTensors& tensors) {
  NamedTensors copies;
  for (const auto& [name, tensor] : tensors) copies.emplace(name, tensor.detach().clone());
  return copies;
}

/// Overwrites the values of `to`, converted to its dtypes and devices; `from` must have all of its names.
inline void copy_values(const NamedTensors& to, const NamedTensors& from) {
  const at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : to) tensor.copy_(from.at(name));
}

}  // namespace cloob
