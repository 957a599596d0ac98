#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "cloob/base/named_tensors.h"
#include "cloob/checkpoint/checkpoint.h"
#include "cloob/model/model_config.h"
#include "cloob/train/run_config.h"

namespace cloob {

/// Weights with the settings to use them by.
struct ImportedModel {
  NamedTensors weights;  ///< under open_clip's names
  RunConfig config;      ///< defaults, with what the file or its tensors say
};

/// The metadata of a weights file: what the tensors do not say of how they are used (sections `model`,
/// `image` and `text`). Other programs pass over it.
std::map<std::string, std::string> weights_metadata(const RunConfig& config);

/// Reads a weights file (import_weights.h). Without `weights_metadata` in it the architecture is inferred
/// from the tensors, and what was assumed, the activation above all, is logged. Throws UserError.
ImportedModel import_model(const std::filesystem::path& path, std::optional<Activation> activation);

/// The settings of a checkpoint's run, with the tokenizer that lies in its folder. Throws UserError.
RunConfig config_of(const Checkpoint& checkpoint, const std::filesystem::path& folder);

/// The weights and settings of a checkpoint folder. Throws UserError.
ImportedModel read_checkpoint_model(const std::filesystem::path& folder);

/// Weights to start a run from.
struct InitialWeights {
  NamedTensors tensors;  ///< under open_clip's names
  Activation activation = Activation::gelu;
  bool activation_is_known = false;  ///< the file says so; otherwise it is what such files usually have
};

/// Reads a checkpoint, the newest checkpoint of a run folder, or a weights file. Throws UserError.
InitialWeights read_initial_weights(const std::string& path);

}  // namespace cloob
