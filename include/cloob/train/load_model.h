#pragma once

#include <c10/core/Device.h>

#include <optional>
#include <string>

#include "cloob/base/named_tensors.h"
#include "cloob/eval/feature_encoder.h"
#include "cloob/model/dual_encoder.h"
#include "cloob/train/run_config.h"

namespace cloob {

/// A model as a file or folder holds it, with the settings that it was trained with.
struct LoadedModel {
  DualEncoder model{nullptr};
  RunConfig config;        ///< of the run; for a plain weights file defaults with the inferred architecture
  NamedTensors objective;  ///< state of the objective (a learned beta); empty where there is none
};

/// Loads a checkpoint folder, the newest checkpoint of a run folder, or a weights file of cloob, open_clip,
/// OpenAI or the CLOOB authors (see import_weights.h), onto `device`. `activation` overrules what a weights
/// file says or is taken to have, which is logged; a checkpoint knows its own, and another one is an error.
/// Throws UserError.
LoadedModel load_model(const std::string& path, c10::Device device, std::optional<Activation> activation);

/// The model with its tokenizer and preprocessing.
FeatureEncoder make_feature_encoder(const LoadedModel& loaded, c10::Device device);

}  // namespace cloob
