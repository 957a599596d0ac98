#pragma once

#include <string>

#include "cloob/base/named_tensors.h"
#include "cloob/run/load_model.h"
#include "cloob/run/run_config.h"

namespace cloob {

/// Identifies what features are computed with: 32 hexadecimal digits, a hash of all weights, of the architecture, of what
/// evaluation does to images and texts before they are encoded, and of the content of the tokenizer's file. What only training
/// uses, and where files lie, does not count: it is the same for a checkpoint and what was exported of it, unless the export lacks
/// its tokenizer. Features of models with different hashes cannot be compared. Throws UserError.
std::string model_hash(const LoadedModel& loaded);
/// The same of the towers' weights and the settings that belong to them.
std::string model_hash(const NamedTensors& weights, const RunConfig& config, bool has_tokenizer);

/// The same of features that are refined: the fusion's weights, how it retrieves and what the memory holds count, too. Equal to
/// model_hash for a model whose features are not refined.
std::string features_hash(const LoadedModel& loaded);

}  // namespace cloob
