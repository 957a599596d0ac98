#pragma once

#include <string>

#include "cloob/run/load_model.h"

namespace cloob {

/// Identifies what features are computed with: 32 hexadecimal digits, a hash of all weights, of the activation, and of what is done
/// to images and texts before they are encoded. The same for a checkpoint and what was exported of it; features of models with
/// different hashes cannot be compared.
std::string model_hash(const LoadedModel& loaded);

}  // namespace cloob
