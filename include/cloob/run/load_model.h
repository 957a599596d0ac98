#pragma once

#include <c10/core/Device.h>

#include <memory>
#include <optional>
#include <string>

#include "cloob/base/collectives.h"
#include "cloob/model/feature_model.h"
#include "cloob/run/run_config.h"
#include "cloob/task/training_task.h"

namespace cloob {

/// A model loaded from a file or folder, with the settings that it was trained with.
struct LoadedModel {
  RunConfig config;  ///< of the run; for a plain weights file, defaults with the inferred architecture
  std::unique_ptr<TrainingTask> task;
  bool has_task_state = false;  ///< whether task state was found and loaded
  bool knows_objective = true;  ///< a plain weights file does not say what it was trained with
  bool has_tokenizer = true;    ///< false: a weights file whose tokenizer is another file, see ImportedModel

  FeatureModel& features() const { return task->feature_model(); }
};

/// Loads a checkpoint folder, the newest checkpoint of a run folder, or a weights file of cloob, open_clip,
/// OpenAI or the CLOOB authors (see import_weights.h) onto `device`, for evaluation. `activation` overrides
/// the activation that a weights file specifies or is assumed to have, which is logged; a checkpoint
/// specifies its own, and a different one is an error. `collectives` must outlive the model. Throws
/// UserError.
LoadedModel load_model(const std::string& path, const Collectives& collectives, c10::Device device,
                       std::optional<Activation> activation);

/// Throws UserError if the model's loss needs task state (such as a learned beta) that was not loaded.
void require_task_state(const LoadedModel& loaded);

}  // namespace cloob
