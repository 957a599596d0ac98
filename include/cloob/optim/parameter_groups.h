// Which parameter belongs where: weight decay by reference code, learning rates by tower and layer. All by
// name.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cloob/base/named_tensors.h"
#include "cloob/optim/optim_config.h"
#include "cloob/optim/reference.h"

namespace cloob {

/// Whether weight decay applies to a parameter, by its name (open_clip's) and number of dimensions.
///
/// open_clip: tensors of two dimensions and more. CLOOB: everything whose name holds none of "bn", "ln",
/// "bias", so also the gains of the batch norms in shortcuts ("downsample.1.weight"), 1-d embeddings and a
/// learned `logit_scale`, which that code calls `logit_inv_tau` and therefore fails to exempt. A learned
/// `log_beta` never decays.
bool has_weight_decay(std::string_view name, std::int64_t num_dimensions, Reference reference);

/// The part of the model that a parameter belongs to.
enum class Tower { image, text, shared };

/// `visual.*` is the image tower; scales and beta are shared; all else is the text tower.
Tower tower_of(std::string_view name);

/// How far a parameter lies from the input of its tower: 0 for embeddings and a ResNet's stem, n for the n-th
/// block or ResNet stage, nothing for what comes behind the last of them (final norm, projection, attention
/// pool).
std::optional<std::int64_t> layer_of(std::string_view name);

/// Parameters that are updated alike.
struct ParameterGroup {
  double weight_decay = 0;
  double lr_scale = 1;  ///< factor on the learning rate
  std::vector<std::string> names;
};

/// The names of the parameters that require gradients, in groups of one weight decay and learning rate.
///
/// The rate of a layer is its tower's times `layer_decay` to the power of the layers between it and the
/// output, as in BEiT's code (Bao et al., 2022).
std::vector<ParameterGroup> group_parameters(const NamedTensors& parameters, const OptimizerConfig& config,
                                             Reference reference);

}  // namespace cloob
