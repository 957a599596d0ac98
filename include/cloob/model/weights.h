// The weights of a model by name.
#pragma once

#include <string>

#include "cloob/base/named_tensors.h"
#include "cloob/model/dual_encoder.h"

namespace cloob {

/// All parameters and buffers of a module by name. They share the module's memory: copy anything that must
/// outlive a step.
NamedTensors weights_of(const torch::nn::Module& module);
inline NamedTensors weights_of(const DualEncoder& model) { return weights_of(*model); }

/// Overwrites all parameters and buffers of a module, converted to their dtypes and device. Names must match
/// exactly. Throws UserError that lists missing and unexpected tensors and mismatched shapes, and then leaves
/// the module unchanged. `source` is the name of the weights in that message, such as a file name, and `section` the settings that
/// should describe them.
void load_weights(torch::nn::Module& module, const NamedTensors& weights, const std::string& source,
                  const std::string& section = "model");

/// The same for open_clip's names; position embeddings for a different image size or context length are
/// resampled first, as in open_clip. A `logit_bias` that only one of the two has is left as it is: the features do not
/// depend on it.
void load_weights(DualEncoder& model, const NamedTensors& weights, const std::string& source);

/// Throws UserError that lists missing and unexpected tensors and mismatched shapes, unless these are the tensors of a
/// model with this architecture. Takes no memory for one.
void require_weights_of(const ModelConfig& config, const NamedTensors& weights, const std::string& source);

}  // namespace cloob
