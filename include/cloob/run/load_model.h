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

class Memory;

/// Settings of the section `reco` that replace those of the run. A model that was not trained with a memory is refined with
/// the mean of what it retrieves.
struct RefinementOptions {
  std::optional<std::string> memory = std::nullopt;  ///< without one, such a model is not refined
  std::optional<std::int64_t> k = std::nullopt;
  std::optional<RelativeModality> search = std::nullopt;
  std::optional<RelativeModality> fuse = std::nullopt;
  std::optional<RefinedSides> refine = std::nullopt;
  std::optional<PromptRefinement> refine_prompts = std::nullopt;
  std::optional<double> mean_weight = std::nullopt;

  bool are_set() const { return memory || k || search || fuse || refine || refine_prompts || mean_weight; }
};

/// A model loaded from a file or folder, with the settings that it was trained with.
struct LoadedModel {
  RunConfig config;  ///< of the run; for a plain weights file, defaults with the inferred architecture
  std::unique_ptr<TrainingTask> task;
  bool has_task_state = false;  ///< whether task state was found and loaded
  bool knows_objective = true;  ///< a plain weights file does not say what it was trained with
  bool has_tokenizer = true;    ///< false: a weights file whose tokenizer is another file, see ImportedModel

  std::shared_ptr<const Memory> memory = nullptr;   ///< that features are refined with; null: none
  std::unique_ptr<FeatureModel> refined = nullptr;  ///< of a model that was not trained with a memory

  FeatureModel& features() const { return refined ? *refined : task->feature_model(); }
  /// Whether features depend on a memory.
  bool is_refined() const { return refined != nullptr || config.task.kind == TaskKind::reco; }
};

/// Loads a checkpoint folder, the newest checkpoint of a run folder, or a weights file of cloob, open_clip,
/// OpenAI or the CLOOB authors (see import_weights.h) onto `device`, for evaluation. `activation` overrides
/// the activation that a weights file specifies or is assumed to have, which is logged; a checkpoint
/// specifies its own, and a different one is an error. `collectives` must outlive the model. Throws
/// UserError.
LoadedModel load_model(const std::string& path, const Collectives& collectives, c10::Device device,
                       std::optional<Activation> activation, const RefinementOptions& refinement = {});

/// How features are refined, for what is written with results: the settings of section `reco` that count, by their names, and
/// memory_entries, as a JSON object. Empty if they are not.
std::string refinement_json(const LoadedModel& loaded);

/// Throws UserError if the model's loss needs task state (such as a learned beta) that was not loaded.
void require_task_state(const LoadedModel& loaded);

}  // namespace cloob
