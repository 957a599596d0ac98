// What tensors do not tell about the model that they belong to.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "cloob/base/named_tensors.h"
#include "cloob/checkpoint/import_weights.h"
#include "cloob/image/image_config.h"
#include "cloob/model/infer_config.h"
#include "cloob/model/model_config.h"
#include "cloob/text/text_config.h"

namespace cloob {

struct UntoldSettings {
  std::string origin;  ///< where they come from, such as the name of a file
  Activation activation = Activation::gelu;
  std::optional<Activation> image_activation = std::nullopt;  ///< model.image.activation
  double image_norm_eps = ImageEncoderConfig().norm_eps;
  AttentionHeads heads = {};
  ImageConfig image = {};
  TextConfig text = {};
};

/// Reads config.json and preprocessor_config.json of transformers, or open_clip_config.json, in the folder of a weights
/// file of that program; nullopt if there is none, or the file is one of another kind of model. Throws UserError if such a
/// file is damaged or asks for something that is not supported.
std::optional<UntoldSettings> neighbor_settings(const std::filesystem::path& weights, WeightSource source);

/// What all models of SLIP have, according to its code. `weights` are under open_clip's names.
UntoldSettings slip_settings(const NamedTensors& weights);

/// What all models of the ProtoCLIP authors have, according to their code.
UntoldSettings protoclip_settings();

}  // namespace cloob
