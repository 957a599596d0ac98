// The architecture of a model from its weights, and its size from its architecture.
#pragma once

#include <cstdint>

#include "cloob/base/named_tensors.h"
#include "cloob/model/model_config.h"

namespace cloob {

/// Infers the architecture from tensors under open_clip's names. Attention heads are assumed to have 64
/// features, as in all published models. The activation cannot be inferred and keeps its default: set it.
/// Throws UserError that names what is missing.
ModelConfig infer_model_config(const NamedTensors& weights);

struct ParameterCount {
  std::int64_t image = 0;
  std::int64_t text = 0;
  std::int64_t total = 0;  ///< both towers and the temperature
};
/// Counts without allocating the model.
ParameterCount count_parameters(const ModelConfig& config);

}  // namespace cloob
