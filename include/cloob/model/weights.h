// Weights by name: out of a model, into a model, and what their shapes say about the architecture.
#pragma once

#include <cstdint>

#include "cloob/base/named_tensors.h"
#include "cloob/model/dual_encoder.h"
#include "cloob/model/model_config.h"

namespace cloob {

/// All parameters and buffers under open_clip's names. They share the model's memory: copy what must outlive
/// a step.
NamedTensors weights_of(const DualEncoder& model);

/// Overwrites all parameters and buffers, converted to the model's type and device.
///
/// Names must match exactly. Position embeddings for another image size or context length are resampled
/// first, as open_clip does. Throws UserError that lists what is missing, unexpected or of another shape; the
/// model is unchanged then. `source` is what the message calls the weights, a file name for example.
void load_weights(DualEncoder& model, const NamedTensors& weights, const std::string& source);

/// The architecture that tensors under open_clip's names have. Heads are taken to be 64 wide, as in all
/// published models. The activation cannot be seen: it is left at its default, set it. Throws UserError that
/// names what is missing.
ModelConfig infer_model_config(const NamedTensors& weights);

struct ParameterCount {
  std::int64_t image = 0;
  std::int64_t text = 0;
  std::int64_t total = 0;  ///< both towers and the temperature
};
/// Counted without allocating the model.
ParameterCount count_parameters(const ModelConfig& config);

}  // namespace cloob
