#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "cloob/base/named_tensors.h"
#include "cloob/checkpoint/checkpoint.h"
#include "cloob/model/model_config.h"
#include "cloob/run/run_config.h"

namespace cloob {

/// Weights and the settings to use them with.
struct ImportedModel {
  NamedTensors weights;  ///< under open_clip's names
  RunConfig config;      ///< defaults, overridden by what the file or its tensors specify
};

/// The metadata of a weights file: the settings for using the weights that the tensors do not determine
/// (sections `model`, `image` and `text`). Other programs ignore it.
std::map<std::string, std::string> weights_metadata(const RunConfig& config);

/// Reads a weights file (import_weights.h). Without `weights_metadata` the architecture is inferred from the
/// tensors, and assumptions, in particular the activation, are logged. Throws UserError.
ImportedModel import_model(const std::filesystem::path& path, std::optional<Activation> activation);

/// The settings of a checkpoint's run, with the tokenizer file in the checkpoint folder. Throws UserError.
RunConfig config_of(const Checkpoint& checkpoint, const std::filesystem::path& folder);

/// The weights and settings of a checkpoint folder. Throws UserError.
ImportedModel read_checkpoint_model(const std::filesystem::path& folder);

/// Weights to initialize a run with.
struct InitialWeights {
  NamedTensors tensors;  ///< under open_clip's names
  Activation activation = Activation::gelu;
  bool activation_is_known = false;  ///< the file specifies it; otherwise it is the usual one for such files
};

/// Reads a checkpoint, the newest checkpoint of a run folder, or a weights file. Throws UserError.
InitialWeights read_initial_weights(const std::string& path);

}  // namespace cloob
