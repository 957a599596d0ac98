#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>

namespace cloob {

/// Tensors by name, sorted by name: weights, optimizer state, golden files. Always matched by name.
using NamedTensors = std::map<std::string, at::Tensor>;

}  // namespace cloob
