#include "cloob/run/export_model.h"

#include <nlohmann/json.hpp>
#include <string>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/staged_folder.h"
#include "cloob/checkpoint/export_weights.h"
#include "cloob/checkpoint/safetensors.h"
#include "cloob/model/dual_encoder.h"
#include "cloob/text/clip_vocabulary.h"

namespace cloob {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kUsualEps = 1e-5;  // of layer norms
constexpr const char* kPatchBias = "a bias in the embedding of patches";
constexpr const char* kFileAdvice = "export a file for this program, --out NAME.safetensors";

void write_text(const std::filesystem::path& path, std::string_view text) {
  OutputFile file(path);
  file.write(text);
  file.finish();
}

void write_json(const std::filesystem::path& path, const Json& json) {
  write_text(path, json.dump(2) + "\n");
}

// --- open_clip: open_clip_config.json and open_clip_model.safetensors.

Json open_clip_config(const ImportedModel& model) {
  const RunConfig& config = model.config;
  const ImageEncoderConfig& image = config.model.image;
  const TextEncoderConfig& text = config.model.text;
  Json vision = {{"image_size", image.image_size}, {"width", image.width}, {"head_width", image.head_width}};
  if (image.kind == ImageEncoderKind::vit) {
    vision["layers"] = image.layers[0];
    vision["patch_size"] = image.patch_size.value();
    if (!image.norm_before_blocks) vision["no_ln_pre"] = true;
    if (image.norm_eps != kUsualEps) vision["norm_kwargs"] = {{"eps", image.norm_eps}};
  } else {
    vision["layers"] = image.layers;
  }
  Json towers = {{"embed_dim", config.model.embed_dim},
                 {"quick_gelu", config.model.activation == Activation::quick_gelu},
                 {"vision_cfg", vision},
                 {"text_cfg",
                  {{"context_length", text.context_length},
                   {"vocab_size", text.vocab_size},
                   {"width", text.width},
                   {"heads", text.heads},
                   {"layers", text.layers}}}};
  if (const auto bias = model.weights.find(kLogitBias); bias != model.weights.end())
    towers["init_logit_bias"] = bias->second.item<double>();
  return {{"model_cfg", towers},
          {"preprocess_cfg",
           {{"mean", config.image.mean},
            {"std", config.image.std},
            {"interpolation", config.image.interpolation == Interpolation::bilinear ? "bilinear" : "bicubic"},
            {"resize_mode", enum_name(config.image.resize_mode)},
            {"fill_color", config.image.fill_color}}}};
}

void require_open_clip(const ImportedModel& model) {
  if (const auto lacking = what_open_clip_lacks(model.config.model))
    throw_user_error("open_clip cannot have {}: {}", *lacking, kFileAdvice);
}

void write_open_clip(const ImportedModel& model, const std::filesystem::path& folder) {
  write_json(folder / "open_clip_config.json", open_clip_config(model));
  write_safetensors(folder / "open_clip_model.safetensors", model.weights, weights_metadata(model.config));
}

// --- transformers: config.json, model.safetensors, preprocessor_config.json and the files of CLIPTokenizer.

void require_hugging_face(const ImportedModel& model) {
  const RunConfig& config = model.config;
  const auto refuse = [&](std::string_view what) {
    throw_user_error("a CLIPModel of transformers cannot have {}: {}", what,
                     what_open_clip_lacks(config.model) ? kFileAdvice : "export with --format open_clip");
  };
  if (config.model.image.kind != ImageEncoderKind::vit)
    refuse("a ResNet as its image tower, only a vision transformer");
  if (config.model.image.patch_bias) refuse(kPatchBias);
  if (!config.model.image.norm_before_blocks) refuse("an image tower without a norm before its blocks");
  if (!model.has_tokenizer || config.text.tokenizer != TokenizerKind::clip ||
      !config.text.vocabulary_file.empty() || config.model.text.vocab_size < kClipVocabularySize)
    refuse("another tokenizer than CLIP's");
  if (model.weights.contains(kLogitBias)) refuse("the logit_bias of the sigmoid loss");
  if (config.image.resize_mode == ResizeMode::longest) refuse("image.resize_mode longest");
}

Json tower_config(Activation activation, double norm_eps, std::int64_t width, std::int64_t layers,
                  std::int64_t heads, std::int64_t embed_dim) {
  return {
      {"hidden_size", width},         {"intermediate_size", 4 * width},      {"num_hidden_layers", layers},
      {"num_attention_heads", heads}, {"hidden_act", enum_name(activation)}, {"layer_norm_eps", norm_eps},
      {"projection_dim", embed_dim}};
}

Json hugging_face_config(const ModelConfig& model) {
  const ImageEncoderConfig& image = model.image;
  const TextEncoderConfig& text = model.text;
  Json vision = tower_config(model.image_activation(), image.norm_eps, image.width, image.layers[0],
                             image.heads(), model.embed_dim);
  vision.update({{"model_type", "clip_vision_model"},
                 {"image_size", image.image_size},
                 {"patch_size", image.patch_size.value()}});
  Json words =
      tower_config(model.activation, kUsualEps, text.width, text.layers, text.heads, model.embed_dim);
  words.update({{"model_type", "clip_text_model"},
                {"vocab_size", text.vocab_size},
                {"max_position_embeddings", text.context_length},
                {"bos_token_id", kClipVocabularySize - 2},
                {"eos_token_id", kClipVocabularySize - 1},
                {"pad_token_id", kClipVocabularySize - 1}});
  return {{"architectures", {"CLIPModel"}},
          {"model_type", "clip"},
          {"projection_dim", model.embed_dim},
          {"vision_config", vision},
          {"text_config", words}};
}

Json preprocessor_config(const RunConfig& config) {
  const std::int64_t size = config.model.image.image_size;
  const Json square = {{"height", size}, {"width", size}};
  const bool is_squashed = config.image.resize_mode == ResizeMode::squash;
  constexpr int kBilinear = 2, kBicubic = 3;  // Pillow's numbers
  return {{"image_processor_type", "CLIPImageProcessor"},
          {"processor_class", "CLIPProcessor"},
          {"do_convert_rgb", true},
          {"do_resize", true},
          {"size", is_squashed ? square : Json{{"shortest_edge", size}}},
          {"resample", config.image.interpolation == Interpolation::bilinear ? kBilinear : kBicubic},
          {"do_center_crop", !is_squashed},
          {"crop_size", square},
          {"do_rescale", true},
          {"rescale_factor", 1.0 / 255},
          {"do_normalize", true},
          {"image_mean", config.image.mean},
          {"image_std", config.image.std}};
}

Json tokenizer_config(std::int64_t context_length) {
  return {{"tokenizer_class", "CLIPTokenizer"}, {"processor_class", "CLIPProcessor"},
          {"model_max_length", context_length}, {"do_lower_case", true},
          {"bos_token", kClipStartToken},       {"eos_token", kClipEndToken},
          {"unk_token", kClipEndToken},         {"pad_token", kClipEndToken}};
}

void write_hugging_face(const ImportedModel& model, const std::filesystem::path& folder) {
  const ClipVocabulary vocabulary = read_clip_vocabulary();
  write_json(folder / "config.json", hugging_face_config(model.config.model));
  write_json(folder / "preprocessor_config.json", preprocessor_config(model.config));
  write_json(folder / "tokenizer_config.json", tokenizer_config(model.config.model.text.context_length));
  write_json(folder / "vocab.json", Json(vocabulary.ids));
  write_text(folder / "merges.txt", vocabulary.merges);
  write_safetensors(folder / "model.safetensors", with_hugging_face_names(model.weights),
                    weights_metadata(model.config));
}

}  // namespace

std::optional<std::string_view> what_open_clip_lacks(const ModelConfig& model) {
  if (model.image.patch_bias) return kPatchBias;
  if (model.image.kind == ImageEncoderKind::vit && model.image_activation() != model.activation)
    return "different activations in its towers";
  return std::nullopt;
}

void export_folder(const ImportedModel& model, ExportFormat format, const std::filesystem::path& folder) {
  format == ExportFormat::hf ? require_hugging_face(model) : require_open_clip(model);
  const auto write = format == ExportFormat::hf ? write_hugging_face : write_open_clip;
  write_new_folder(folder, [&](const std::filesystem::path& partial) { write(model, partial); });
}

void export_file(const ImportedModel& model, const std::filesystem::path& file) {
  write_safetensors(file, model.weights, weights_metadata(model.config));
}

}  // namespace cloob
