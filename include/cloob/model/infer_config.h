// The architecture of a model from its weights, and its size from its architecture.
#pragma once

#include <cstdint>
#include <optional>

#include "cloob/base/named_tensors.h"
#include "cloob/model/model_config.h"

namespace cloob {

/// What tensors do not show. Unset: attention heads of 64 features, as in all published models of OpenAI and open_clip.
struct AttentionHeads {
  std::optional<std::int64_t> image = std::nullopt;        ///< number of heads
  std::optional<std::int64_t> image_width = std::nullopt;  ///< of each head, used if the number is unset
  std::optional<std::int64_t> text = std::nullopt;         ///< number of heads
};

/// Infers the architecture from tensors under open_clip's names. The activation and model.image.norm_eps cannot be
/// inferred and keep their defaults: set them. Not all tensors are looked at, see require_weights_of. Throws UserError that names what is missing.
ModelConfig infer_model_config(const NamedTensors& weights, const AttentionHeads& heads = {});

struct ParameterCount {
  std::int64_t image = 0;
  std::int64_t text = 0;
  std::int64_t total = 0;  ///< both towers and the temperature
};
/// Counts without allocating the model.
ParameterCount count_parameters(const ModelConfig& config);

}  // namespace cloob
