#include "cloob/run/import_model.h"

#include <fmt/core.h>

#include <tuple>
#include <utility>

#include "cloob/base/log.h"
#include "cloob/checkpoint/checkpoint.h"
#include "cloob/checkpoint/import_weights.h"
#include "cloob/config/config.h"
#include "cloob/model/infer_config.h"

namespace cloob {
namespace {

constexpr const char* kSettingsKey = "cloob_config";

/// The settings that affect the features computed with the weights.
struct FeatureSettings {
  ModelConfig model;
  ImageConfig image;
  TextConfig text;

  static constexpr auto fields() {
    return std::tuple(field("model", &FeatureSettings::model, "The two towers."),
                      field("image", &FeatureSettings::image, "Preprocessing of images."),
                      field("text", &FeatureSettings::text, "The tokenizer."));
  }
};
static_assert(lists_every_member<FeatureSettings>);

ImportedWeights import_and_log(const std::filesystem::path& path) {
  ImportedWeights read = import_weights(path);
  for (const std::string& note : read.notes) log_info("weights", "{}: {}", path.string(), note);
  return read;
}

Activation activation_named(const std::string& name) {
  return name == enum_name(Activation::quick_gelu) ? Activation::quick_gelu : Activation::gelu;
}

}  // namespace

std::map<std::string, std::string> weights_metadata(const RunConfig& config) {
  FeatureSettings used{config.model, config.image, config.text};
  if (!used.text.model_file.empty()) {
    used.text.model_file = std::filesystem::absolute(used.text.model_file).lexically_normal().string();
  }
  return {{"format", "pt"},
          {"task", std::string(enum_name(config.task.kind))},
          {"activation", std::string(enum_name(config.model.activation))},
          {kSettingsKey, print_config(used)}};
}

ImportedModel import_model(const std::filesystem::path& path, std::optional<Activation> activation) {
  ImportedWeights read = import_and_log(path);
  ImportedModel imported{.weights = std::move(read.tensors), .config = {}};
  const auto settings = read.metadata.find(kSettingsKey);
  if (settings != read.metadata.end()) {
    const auto used = read_config<FeatureSettings>(
        ConfigSource::from_text(settings->second, fmt::format("{} ({})", path.string(), kSettingsKey)));
    imported.config.model = used.model;
    imported.config.image = used.image;
    imported.config.text = used.text;
  } else {
    imported.config.model = infer_model_config(imported.weights);
    imported.config.model.activation = activation_named(read.default_activation);
  }
  if (activation) imported.config.model.activation = *activation;
  if (!activation && !read.metadata.contains("activation")) {
    log_info("weights", "{}: a file of {}, assumed to use {}; override with --activation", path.string(),
             source_name(read.source), read.default_activation);
  }
  return imported;
}

ImportedModel read_checkpoint_model(const std::filesystem::path& folder) {
  Checkpoint checkpoint = load_checkpoint(folder, CheckpointPart::weights);
  return {.weights = std::move(checkpoint.weights), .config = config_of(checkpoint, folder)};
}

RunConfig config_of(const Checkpoint& checkpoint, const std::filesystem::path& folder) {
  auto config = read_config<RunConfig>(
      ConfigSource::from_text(checkpoint.config_yaml, (folder / "config.yaml").string()));
  // The tokenizer file of the run may no longer exist.
  if (!checkpoint.tokenizer_model.empty()) config.text.model_file = (folder / kTokenizerFile).string();
  return config;
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
