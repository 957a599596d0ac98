#include "cloob/run/load_model.h"

#include <utility>

#include "cloob/base/error.h"
#include "cloob/checkpoint/checkpoint.h"
#include "cloob/device/device.h"
#include "cloob/run/import_model.h"

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

}  // namespace

LoadedModel load_model(const std::string& path, const Collectives& collectives, c10::Device device,
                       std::optional<Activation> activation) {
  const CheckpointLocation location = resolve_checkpoint(path);
  SavedModel saved = read_saved_model(location, activation, path);
  allow_tf32(saved.imported.config.train.tf32);  // as in the evaluations of the run
  LoadedModel loaded{.config = std::move(saved.imported.config),
                     .task = nullptr,
                     .has_tokenizer = saved.imported.has_tokenizer};
  loaded.task = make_task(settings_to_evaluate(loaded.config), {std::move(saved.imported.weights), path},
                          collectives, device);
  loaded.has_task_state = !saved.state.empty();
  loaded.knows_objective = location.kind != CheckpointLocation::Kind::weights_file;
  if (loaded.has_task_state) loaded.task->load(loaded.task->weights(), saved.state);
  return loaded;
}

void require_task_state(const LoadedModel& loaded) {
  if (!loaded.has_task_state) loaded.task->load(loaded.task->weights(), {});
}

}  // namespace cloob
