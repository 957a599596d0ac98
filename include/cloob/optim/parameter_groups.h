// Groups of parameters: weight decay as in the chosen reference, learning rates by tower and layer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cloob/base/trained_parameter.h"
#include "cloob/optim/optim_config.h"
#include "cloob/optim/reference.h"

namespace cloob {

/// Whether weight decay applies to a parameter.
///
/// open_clip: tensors with at least two dimensions. protoclip: the same, without projection heads. cloob selects
/// by name, as CLOOB's code does: all parameters whose names contain none of "bn", "ln", "bias". That includes the
/// gains of batch norms in shortcuts ("downsample.1.weight"), 1-d embeddings and a learned `logit_scale`, which
/// CLOOB's code calls `logit_inv_tau` and therefore fails to exempt.
bool has_weight_decay(std::string_view name, const TrainedParameter& parameter, Reference reference);

/// Parameters with the same weight decay and learning rate.
struct ParameterGroup {
  double weight_decay = 0;
  double lr_scale = 1;  ///< factor on the learning rate
  bool is_of_image_tower = false;
  std::vector<std::string> names;
};

/// Groups the parameters that require gradients by weight decay and learning rate, the image tower's apart.
///
/// The learning rate of a layer is that of its tower times `layer_decay` to the power of its distance from
/// the output, as in BEiT's code (Bao et al., 2022).
std::vector<ParameterGroup> group_parameters(const TrainedParameters& parameters,
                                             const OptimizerConfig& config, Reference reference);

}  // namespace cloob
