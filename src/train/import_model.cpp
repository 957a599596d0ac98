#include "cloob/train/import_model.h"

#include "cloob/base/log.h"
#include "cloob/checkpoint/checkpoint.h"
#include "cloob/checkpoint/import_weights.h"
#include "cloob/model/weights.h"

namespace cloob {
namespace {

ImportedWeights import_and_log(const std::filesystem::path& path) {
  ImportedWeights read = import_weights(path);
  for (const std::string& note : read.notes) log_info("weights", "{}: {}", path.string(), note);
  return read;
}

Activation activation_named(const std::string& name) {
  return name == enum_name(Activation::quick_gelu) ? Activation::quick_gelu : Activation::gelu;
}

}  // namespace

ImportedModel import_model(const std::filesystem::path& path, std::optional<Activation> activation) {
  ImportedWeights read = import_and_log(path);
  ImportedModel imported{.weights = std::move(read.tensors), .config = {}};
  imported.config.model = infer_model_config(imported.weights);
  imported.config.model.name = path.stem().string();
  const Activation taken = activation_named(read.default_activation);
  imported.config.model.activation = activation.value_or(taken);
  if (!activation) {
    log_info("weights", "{}: a file of {}, taken to use {}; --activation says otherwise", path.string(),
             source_name(read.source), enum_name(taken));
  }
  return imported;
}

InitialWeights read_initial_weights(const std::string& path) {
  const CheckpointLocation location = resolve_checkpoint(path);
  if (location.kind == CheckpointLocation::Kind::checkpoint) {
    Checkpoint checkpoint = load_checkpoint(location.path, CheckpointPart::weights);
    return {std::move(checkpoint.weights), activation_named(checkpoint.weights_metadata["activation"]),
            /*activation_is_known=*/true};
  }
  ImportedWeights read = import_and_log(location.path);
  return {std::move(read.tensors), activation_named(read.default_activation),
          read.metadata.contains("activation")};
}

}  // namespace cloob
