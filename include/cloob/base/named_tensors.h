#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>

namespace cloob {

/// Tensors by name, in the order of their names: weights, optimiser state, goldens. Always matched by name.
using NamedTensors = std::map<std::string, at::Tensor>;

/// The learned logarithm of the retrieval's beta, the one trained tensor that the model's weights do not
/// have.
inline constexpr const char* kLogBeta = "log_beta";

}  // namespace cloob
