#include "cloob/train/load_model.h"

#include "cloob/base/error.h"
#include "cloob/base/log.h"
#include "cloob/checkpoint/checkpoint.h"
#include "cloob/checkpoint/import_weights.h"
#include "cloob/config/config.h"
#include "cloob/model/weights.h"
#include "cloob/nn/device.h"
#include "cloob/train/import_model.h"
#include "train/prefixed_tensors.h"

namespace cloob {
namespace {

LoadedModel load_from_checkpoint(const std::filesystem::path& folder) {
  const Checkpoint checkpoint = load_checkpoint(folder, CheckpointPart::weights_and_objective);
  LoadedModel loaded;
  loaded.config = config_of(checkpoint, folder);
  loaded.model = DualEncoder(loaded.config.model, Initializer::unset());
  load_weights(loaded.model, checkpoint.weights, folder.string());
  loaded.objective = with_prefix_removed(checkpoint.training, "objective.");
  return loaded;
}

}  // namespace

LoadedModel load_model(const std::string& path, c10::Device device, std::optional<Activation> activation) {
  const CheckpointLocation location = resolve_checkpoint(path);
  LoadedModel loaded;
  if (location.kind == CheckpointLocation::Kind::checkpoint) {
    loaded = load_from_checkpoint(location.path);
    if (activation && *activation != loaded.config.model.activation) {
      throw_user_error("'{}' was trained with the activation {}, not {}: leave out --activation", path,
                       enum_name(loaded.config.model.activation), enum_name(*activation));
    }
  } else {
    const ImportedModel imported = import_model(location.path, activation);
    loaded.config = imported.config;
    loaded.model = DualEncoder(loaded.config.model, Initializer::unset());
    load_weights(loaded.model, imported.weights, path);
  }
  allow_tf32(loaded.config.train.tf32);  // as the run's own evaluations were
  loaded.model->to(device);
  loaded.model->eval();
  return loaded;
}

FeatureEncoder make_feature_encoder(const LoadedModel& loaded, c10::Device device) {
  return FeatureEncoder(loaded.model, device, loaded.config.image, make_tokenizer(loaded.config.text));
}

}  // namespace cloob
