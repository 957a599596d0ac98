#include "cloob/train/import_model.h"

#include "cloob/base/log.h"
#include "cloob/checkpoint/checkpoint.h"
#include "cloob/checkpoint/import_weights.h"
#include "cloob/model/weights.h"

namespace cloob {

ImportedModel import_model(const std::filesystem::path& path, std::optional<Activation> activation) {
  ImportedWeights read = import_weights(path);
  for (const std::string& note : read.notes) log_info("weights", "{}: {}", path.string(), note);
  ImportedModel imported{.weights = std::move(read.tensors), .config = {}, .metadata = std::move(read.metadata)};
  imported.config.model = infer_model_config(imported.weights);
  imported.config.model.name = path.stem().string();
  const Activation taken = read.default_activation == "quick_gelu" ? Activation::quick_gelu : Activation::gelu;
  imported.config.model.activation = activation.value_or(taken);
  if (!activation) {
    log_info("weights", "{}: a file of {}, taken to use {}; --activation says otherwise", path.string(),
             source_name(read.source), enum_name(taken));
  }
  return imported;
}

NamedTensors read_initial_weights(const std::string& path) {
  const CheckpointLocation location = resolve_checkpoint(path);
  if (location.kind == CheckpointLocation::Kind::checkpoint) {
    return load_checkpoint(location.path, CheckpointPart::weights).weights;
  }
  return import_weights(location.path).tensors;
}

}  // namespace cloob
