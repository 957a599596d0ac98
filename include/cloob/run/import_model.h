#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "cloob/base/named_tensors.h"
#include "cloob/checkpoint/checkpoint.h"
#include "cloob/model/infer_config.h"
#include "cloob/model/model_config.h"
#include "cloob/run/run_config.h"

namespace cloob {

/// Weights and the settings to use them with.
struct ImportedModel {
  NamedTensors weights;  ///< under open_clip's names
  RunConfig config;      ///< defaults, overridden by what the file or its tensors specify
  /// Whether `config.text` is the tokenizer of the weights: false if the file says that it is another file, which a
  /// weights file cannot contain and may not make the program open. Only images can be encoded then.
  bool has_tokenizer = true;
};

struct ImportOptions {
  std::optional<Activation> activation = std::nullopt;  ///< overrides that of the file
  /// A sentencepiece model or gzipped byte-pair merges; empty: the tokenizer that the file says.
  std::string tokenizer = {};
};

/// The metadata of a weights file: the settings for using the weights that the tensors do not determine
/// (sections `model`, `image` and `text`). Other programs ignore it.
std::map<std::string, std::string> weights_metadata(const RunConfig& config);

/// Reads a weights file (import_weights.h), or the one in a folder of transformers or open_clip. Without
/// `weights_metadata` the architecture is inferred from the tensors and from the JSON file next to the weights, if there
/// is one, or from what all models of SLIP and ProtoCLIP have, and assumptions, in particular the activation, are logged. All
/// tensors are checked against the shapes of that architecture. Throws UserError.
ImportedModel import_model(const std::filesystem::path& path, const ImportOptions& options);

/// The settings of a checkpoint's run, with the tokenizer file in the checkpoint folder. Throws UserError.
RunConfig config_of(const Checkpoint& checkpoint, const std::filesystem::path& folder);

/// The weights and settings of a checkpoint folder. Throws UserError.
ImportedModel read_checkpoint_model(const std::filesystem::path& folder);

/// Weights to initialize a run with.
struct InitialWeights {
  NamedTensors tensors = {};  ///< under open_clip's names
  Activation activation = Activation::gelu;
  bool activation_is_known = false;  ///< the file specifies it; otherwise it is the usual one for such files
  AttentionHeads heads = {};         ///< of the file next to the weights; unset if there is none
  std::optional<Activation> image_activation = {};  ///< of the image tower, if it is known
  std::optional<double> image_norm_eps = {};        ///< model.image.norm_eps, if it is known
  bool lacks_fusion = false;  ///< of a run whose features are refined with a memory: these are its towers
};

/// Reads a checkpoint, the newest checkpoint of a run folder, or a weights file. Throws UserError.
InitialWeights read_initial_weights(const std::string& path);

}  // namespace cloob
