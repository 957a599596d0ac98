#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "cloob/base/named_tensors.h"
#include "cloob/model/model_config.h"
#include "cloob/train/run_config.h"

namespace cloob {

/// Weights of a file of another program, with the settings to use them by.
struct ImportedModel {
  NamedTensors weights;  ///< under open_clip's names
  RunConfig config;      ///< defaults, with the architecture that the tensors have
};

/// Reads a weights file (import_weights.h) and infers its architecture. What was assumed, the activation
/// above all, is logged. Throws UserError.
ImportedModel import_model(const std::filesystem::path& path, std::optional<Activation> activation);

/// Weights to start a run from.
struct InitialWeights {
  NamedTensors tensors;  ///< under open_clip's names
  Activation activation = Activation::gelu;
  bool activation_is_known = false;  ///< the file says so; otherwise it is what such files usually have
};

/// Reads a checkpoint, the newest checkpoint of a run folder, or a weights file. Throws UserError.
InitialWeights read_initial_weights(const std::string& path);

}  // namespace cloob
