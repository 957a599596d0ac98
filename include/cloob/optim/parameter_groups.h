// Which parameter belongs where: weight decay by reference code, norms by tower. All by name.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cloob/base/named_tensors.h"
#include "cloob/optim/reference.h"

namespace cloob {

/// Whether weight decay applies to a parameter, by its name (open_clip's) and number of dimensions.
///
/// open_clip: tensors of two dimensions and more. CLOOB: everything whose name holds none of "bn", "ln",
/// "bias", so also the gains of the batch norms in shortcuts ("downsample.1.weight"), 1-d embeddings and a
/// learned `logit_scale`, which that code calls `logit_inv_tau` and therefore fails to exempt. A learned
/// `log_beta` never decays.
bool has_weight_decay(std::string_view name, std::int64_t num_dimensions, Reference reference);

struct ParameterGroups {
  std::vector<std::string> decayed;
  std::vector<std::string> undecayed;
};

/// The names of the parameters that require gradients, in the order of their names.
ParameterGroups group_parameters(const NamedTensors& parameters, Reference reference);

/// The part of the model that a parameter belongs to.
enum class Tower { image, text, shared };

/// `visual.*` is the image tower; scales and beta are shared; all else is the text tower.
Tower tower_of(std::string_view name);

}  // namespace cloob
