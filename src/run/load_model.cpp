#include "cloob/run/load_model.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/json.h"
#include "cloob/base/log.h"
#include "cloob/checkpoint/checkpoint.h"
#include "cloob/device/device.h"
#include "cloob/run/import_model.h"
#include "cloob/run/open_memory.h"
#include "cloob/task/reco_task.h"
#include "cloob/task/refined_features.h"

namespace cloob {
namespace {

/// Weights and the settings to use them with, and the rest of the task's state in a checkpoint.
struct SavedModel {
  ImportedModel imported;
  NamedTensors state;
};

SavedModel read_saved_model(const CheckpointLocation& location, std::optional<Activation> activation,
                            const std::string& path) {
  if (location.kind == CheckpointLocation::Kind::weights_file)
    return {import_model(location.path, {.activation = activation}), {}};
  Checkpoint checkpoint = load_checkpoint(location.path, CheckpointPart::weights_and_task);
  const RunConfig config = config_of(checkpoint, location.path);
  if (activation && *activation != config.model.activation) {
    throw_user_error("'{}' was trained with the activation {}, not {}: leave out --activation", path,
                     enum_name(config.model.activation), enum_name(*activation));
  }
  return {{.weights = std::move(checkpoint.weights), .config = config}, std::move(checkpoint.training)};
}

// Evaluation stores weights in float32 and computes in the requested precision.
TaskSettings settings_to_evaluate(const RunConfig& config) {
  TaskSettings settings = task_settings(config);
  settings.precision = Precision::fp32;
  settings.cache_frozen_features = false;
  // Takes the temperature from the weights, whether it was learned or not.
  settings.loss.learn_inv_tau = true;
  return settings;
}

// A model that was trained with a memory has its own; another one gets one for this evaluation.
void apply(const RefinementOptions& options, RunConfig& config, const std::string& path) {
  RecoConfig& reco = config.reco;
  if (config.task.kind != TaskKind::reco) {
    if (options.are_set() && !options.memory)
      throw_user_error("'{}' was not trained with a memory: name one with --memory", path);
    reco = {};
    reco.fusion = FusionKind::mean;
  }
  if (options.mean_weight && reco.fusion != FusionKind::mean)
    throw_user_error(
        "--mean-weight is for fusion by the mean, but '{}' was trained with reco.fusion {}: leave it out",
        path, enum_name(reco.fusion));
  if (reco.fusion == FusionKind::mlp && (options.memory || options.k || options.search || options.fuse))
    throw_user_error(
        "'{}' was trained with reco.fusion mlp, which uses no memory: leave out --memory and the options that belong to it",
        path);
  const auto set = [](const auto& option, auto& setting) {
    if (option) setting = *option;
  };
  set(reco.evaluation_memory, reco.memory);
  set(options.memory, reco.memory);
  set(options.k, reco.k);
  set(options.search, reco.search);
  set(options.fuse, reco.fuse);
  set(options.refine, reco.refine);
  set(options.refine_prompts, reco.refine_prompts);
  set(options.mean_weight, reco.mean_weight);
}

// A run names the folder as it was seen from where it was started.
std::shared_ptr<const Memory> open_memory_of(const RunConfig& config, const RefinementOptions& options,
                                             const std::string& path) {
  const std::optional<std::string>& folder = config.reco.memory;
  std::error_code ignored;
  if (folder && !options.memory && !std::filesystem::exists(*folder, ignored)) {
    throw_user_error("'{}' retrieves from the memory '{}', which is not here: name its folder with --memory",
                     path, *folder);
  }
  return open_memory(folder);
}

void warn_of_another_memory(const NamedTensors& state, const Memory& memory) {
  const auto saved = saved_memory_hash(state);
  if (!saved || *saved == memory_hash(memory)) return;
  log_warning("eval",
              "{} does not have the pairs that the model was trained with (--memory says that this is meant)",
              memory.describe());
}

}  // namespace

LoadedModel load_model(const std::string& path, const Collectives& collectives, c10::Device device,
                       std::optional<Activation> activation, const RefinementOptions& refinement) {
  const CheckpointLocation location = resolve_checkpoint(path);
  SavedModel saved = read_saved_model(location, activation, path);
  allow_tf32(saved.imported.config.train.tf32);  // as in the evaluations of the run
  const bool has_memory_of_training = !refinement.memory && !saved.imported.config.reco.evaluation_memory;
  apply(refinement, saved.imported.config, path);
  LoadedModel loaded{.config = std::move(saved.imported.config),
                     .task = nullptr,
                     .has_tokenizer = saved.imported.has_tokenizer};
  if (loaded.config.reco.fusion != FusionKind::mlp)
    loaded.memory = open_memory_of(loaded.config, refinement, path);
  require_same_memory(loaded.memory, collectives);
  loaded.task = make_task(settings_to_evaluate(loaded.config), {std::move(saved.imported.weights), path},
                          collectives, device, {.training = loaded.memory});
  loaded.has_task_state = !saved.state.empty();
  loaded.knows_objective = location.kind != CheckpointLocation::Kind::weights_file;
  if (loaded.has_task_state) loaded.task->load(loaded.task->weights(), saved.state);
  if (loaded.memory) {
    require_memory_of(*loaded.memory, loaded.task->weights(), loaded.config, loaded.has_tokenizer);
    if (has_memory_of_training && collectives.rank() == 0)
      warn_of_another_memory(saved.state, *loaded.memory);
    if (loaded.config.task.kind != TaskKind::reco)
      loaded.refined = make_refined_features(loaded.task->feature_model(), loaded.config.reco, loaded.memory);
  }
  return loaded;
}

std::string refinement_json(const LoadedModel& loaded) {
  using Json = nlohmann::ordered_json;
  if (!loaded.is_refined()) return "";
  const RecoConfig& reco = loaded.config.reco;
  Json json = {{"reco.fusion", enum_name(reco.fusion)},
               {"reco.refine", enum_name(reco.refine)},
               {"reco.refine_prompts", enum_name(reco.refine_prompts)}};
  if (loaded.memory) {
    json["reco.memory"] = reco.memory.value_or("");
    json["memory_entries"] = loaded.memory->index().alive();
    json["reco.k"] = reco.k;
    json["reco.search"] = enum_name(reco.search);
    json["reco.fuse"] = enum_name(reco.fuse);
    if (reco.fusion == FusionKind::mean) json["reco.mean_weight"] = reco.mean_weight;
  }
  return json.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

void require_task_state(const LoadedModel& loaded) {
  if (!loaded.has_task_state) loaded.task->load(loaded.task->weights(), {});
}

}  // namespace cloob
