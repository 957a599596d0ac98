#include "cloob/run/import_model.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <span>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/log.h"
#include "cloob/base/text.h"
#include "cloob/checkpoint/checkpoint.h"
#include "cloob/checkpoint/import_weights.h"
#include "cloob/config/config.h"
#include "cloob/model/dual_encoder.h"
#include "cloob/model/infer_config.h"
#include "cloob/model/weights.h"
#include "run/untold_settings.h"

namespace cloob {
namespace {

constexpr const char* kSettingsKey = "cloob_config";
constexpr std::uint64_t kMaxSettingsBytes = 64 << 10;  // without the names of data, all settings have 20 KiB

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
  static constexpr auto kRetiredSettings = RunConfig::kRetiredSettings;
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

// The settings that this program stored in the file, or that someone wrote who gave it away.
std::optional<FeatureSettings> stored_settings(const std::filesystem::path& path,
                                               const std::map<std::string, std::string>& metadata) {
  const auto text = metadata.find(kSettingsKey);
  if (text == metadata.end()) return std::nullopt;
  return read_config<FeatureSettings>(ConfigSource::from_data(
      text->second, fmt::format("{} ({})", path.string(), kSettingsKey), kMaxSettingsBytes));
}

void take_settings(const FeatureSettings& used, ImportedModel& imported) {
  imported.config.model = used.model;
  imported.config.image = used.image;
  imported.config.text = used.text;
  imported.has_tokenizer = used.text.model_file.empty() && used.text.vocabulary_file.empty();
  imported.config.text.model_file.clear();
  imported.config.text.vocabulary_file.clear();
}

std::optional<UntoldSettings> untold_settings(const std::filesystem::path& path, WeightSource source,
                                              const NamedTensors& weights) {
  if (source == WeightSource::slip) return slip_settings(weights);
  if (source == WeightSource::protoclip) return protoclip_settings();
  return neighbor_settings(path, source);
}

// What the file says itself, then what is known otherwise, then what is usual for such files.
Activation activation_of(const ImportedWeights& read, const std::optional<UntoldSettings>& untold) {
  const bool is_in_file = read.metadata.contains("activation");
  return untold && !is_in_file ? untold->activation : activation_named(read.default_activation);
}

// Besides the heads and the activation.
void take_untold(const UntoldSettings& untold, RunConfig& config) {
  if (config.model.image.kind == ImageEncoderKind::vit) {
    config.model.image.activation = untold.image_activation;
    config.model.image.norm_eps = untold.image_norm_eps;
  }
  config.image = untold.image;
  config.text = untold.text;
}

void infer_settings(const std::filesystem::path& path, const ImportedWeights& read,
                    const ImportOptions& options, ImportedModel& imported) {
  RunConfig& config = imported.config;
  try {
    const auto untold = untold_settings(path, read.source, imported.weights);
    config.model = infer_model_config(imported.weights, untold ? untold->heads : AttentionHeads());
    config.model.activation = activation_of(read, untold);
    if (untold) {
      take_untold(*untold, config);
      const bool cuts = untold->text.truncation == Truncation::cut;
      log_info("weights", "{}: heads, activation and preprocessing are those of {}{}", path.string(),
               untold->origin, cuts ? "; long captions lose their end token (text.truncation)" : "");
    }
    if (!untold && !options.activation && !read.metadata.contains("activation"))
      log_info("weights", "{}: a file of {}, assumed to use {}; override with --activation", path.string(),
               source_name(read.source), read.default_activation);
    // Sizes that tensors can have, but settings cannot.
    read_config<FeatureSettings>(
        ConfigSource::from_data(print_config(FeatureSettings{config.model, config.image, config.text}),
                                "inferred settings", kMaxSettingsBytes));
  } catch (const UserError& error) {
    throw_user_error("'{}': {}", path.string(), error.what());
  }
}

void take_image_settings(const std::optional<FeatureSettings>& stored, InitialWeights& initial) {
  if (!stored) return;
  initial.image_activation = stored->model.image_activation();
  initial.image_norm_eps = stored->model.image.norm_eps;
}

void require_variances(const std::filesystem::path& path, const NamedTensors& weights) {
  for (const auto& [name, tensor] : weights) {
    if (name.ends_with(".running_var") && tensor.min().item<float>() < 0)
      throw_user_error("'{}': the tensor '{}' contains negative variances", path.string(), name);
  }
}

// The tokenizer in a file that the user named. Both kinds are told apart by their content.
TextConfig tokenizer_from(const std::string& file) {
  const RandomAccessFile opened(file);
  std::array<std::byte, 2> head{};
  opened.read(0, std::span(head).first(std::min<std::uint64_t>(head.size(), opened.size())));
  const bool is_gzip = head == std::array{std::byte{0x1f}, std::byte{0x8b}};
  const std::string path = std::filesystem::absolute(file).lexically_normal().string();
  TextConfig text;
  text.tokenizer = is_gzip ? TokenizerKind::clip : TokenizerKind::sentencepiece;
  (is_gzip ? text.vocabulary_file : text.model_file) = path;
  return text;
}

}  // namespace

std::map<std::string, std::string> weights_metadata(const RunConfig& config) {
  FeatureSettings used{config.model, config.image, config.text};
  // For people: no file is opened because of it.
  for (std::string* const file : {&used.text.model_file, &used.text.vocabulary_file})
    *file = std::filesystem::path(*file).filename().string();
  return {{"format", "pt"},
          {"task", std::string(enum_name(config.task.kind))},
          {"activation", std::string(enum_name(config.model.activation))},
          {kSettingsKey, print_config(used)}};
}

ImportedModel import_model(const std::filesystem::path& path, const ImportOptions& options) {
  ImportedWeights read = import_and_log(path);
  ImportedModel imported{.weights = std::move(read.tensors), .config = {}};
  if (const auto stored = stored_settings(path, read.metadata)) {
    take_settings(*stored, imported);
  } else {
    infer_settings(path, read, options, imported);
  }
  if (imported.weights.contains(kLogitBias)) imported.config.loss.kind = LossKind::sigmoid;
  imported.config.complete();
  if (options.activation) imported.config.model.activation = *options.activation;
  if (!options.tokenizer.empty()) {
    imported.config.text = tokenizer_from(options.tokenizer);
    imported.has_tokenizer = true;
  }
  require_weights_of(imported.config.model, imported.weights, path.string());
  require_variances(path, imported.weights);
  return imported;
}

ImportedModel read_checkpoint_model(const std::filesystem::path& folder) {
  Checkpoint checkpoint = load_checkpoint(folder, CheckpointPart::weights);
  return {.weights = std::move(checkpoint.weights), .config = config_of(checkpoint, folder)};
}

RunConfig config_of(const Checkpoint& checkpoint, const std::filesystem::path& folder) {
  constexpr std::uint64_t kMaxBytes = 16 << 20;  // a run may name many shards
  auto config = read_config<RunConfig>(
      ConfigSource::from_data(checkpoint.config_yaml, (folder / "config.yaml").string(), kMaxBytes));
  // The tokenizer file of the run may no longer exist.
  if (!checkpoint.tokenizer_model.empty()) config.text.model_file = (folder / kTokenizerFile).string();
  return config;
}

namespace {

// Its settings may be of another version of this program, and are not needed otherwise.
bool is_refined(const Checkpoint& checkpoint, const std::filesystem::path& folder) {
  try {
    return config_of(checkpoint, folder).task.kind == TaskKind::reco;
  } catch (const UserError&) {
    return false;
  }
}

}  // namespace

InitialWeights read_initial_weights(const std::string& path) {
  const CheckpointLocation location = resolve_checkpoint(path);
  if (location.kind == CheckpointLocation::Kind::checkpoint) {
    Checkpoint checkpoint = load_checkpoint(location.path, CheckpointPart::weights);
    InitialWeights initial{.tensors = std::move(checkpoint.weights),
                           .activation = activation_named(checkpoint.weights_metadata["activation"]),
                           .activation_is_known = true,
                           .lacks_fusion = is_refined(checkpoint, location.path)};
    take_image_settings(stored_settings(location.path, checkpoint.weights_metadata), initial);
    return initial;
  }
  ImportedWeights read = import_and_log(location.path);
  const auto untold = untold_settings(location.path, read.source, read.tensors);
  InitialWeights initial{.activation = activation_of(read, untold),
                         .activation_is_known = read.metadata.contains("activation") || untold.has_value()};
  if (untold) {
    initial.heads = untold->heads;
    initial.image_activation = untold->image_activation.value_or(untold->activation);
    initial.image_norm_eps = untold->image_norm_eps;
  }
  take_image_settings(stored_settings(location.path, read.metadata), initial);
  initial.tensors = std::move(read.tensors);
  return initial;
}

}  // namespace cloob
