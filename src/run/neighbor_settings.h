// What other programs keep in JSON files next to their weights, and the weights themselves do not tell.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "cloob/checkpoint/import_weights.h"
#include "cloob/image/image_config.h"
#include "cloob/model/infer_config.h"
#include "cloob/model/model_config.h"

namespace cloob {

struct NeighborSettings {
  std::string file;  ///< where they come from
  Activation activation = Activation::gelu;
  AttentionHeads heads;
  ImageConfig image;
};

/// Reads config.json and preprocessor_config.json of transformers, or open_clip_config.json, in the folder of a weights
/// file of that program; nullopt if there is none, or the file is one of another kind of model. Throws UserError if such a
/// file is damaged or asks for something that is not supported.
std::optional<NeighborSettings> neighbor_settings(const std::filesystem::path& weights, WeightSource source);

}  // namespace cloob
