#include "cloob/run/import_model.h"

#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>

#include <nlohmann/json.hpp>

#include "cloob/base/files.h"
#include "cloob/base/log.h"
#include "cloob/base/tensor_copies.h"
#include "cloob/checkpoint/export_weights.h"
#include "cloob/checkpoint/safetensors.h"
#include "cloob/config/config.h"
#include "cloob/model/weights.h"
#include "cloob/run/export_model.h"
#include "support/support.h"

namespace cloob {
namespace {

using testing::expect_user_error;
using testing::TempDir;

RunConfig vit_config(std::int64_t vocab_size = 20) {
  RunConfig config;
  config.model = {
      .embed_dim = 12,
      .activation = Activation::quick_gelu,
      .image = {.kind = ImageEncoderKind::vit,
                .image_size = 32,
                .layers = {2},
                .width = 64,
                .patch_size = 8,
                .head_width = 32},
      .text = {.context_length = 8, .vocab_size = vocab_size, .width = 64, .heads = 4, .layers = 1}};
  return config;
}

NamedTensors random_weights(const ModelConfig& config) {
  return copies_of(weights_of(DualEncoder(config, Initializer::random(1))));
}

ImportedModel model_of(const RunConfig& config) {
  return {.weights = random_weights(config.model), .config = config};
}

// As `cloob weights import FOLDER` does.
ImportedModel import_folder(const std::filesystem::path& folder) {
  return import_model(resolve_checkpoint(folder).path, {});
}

// As print_config writes them, with one of its lines replaced.
std::map<std::string, std::string> changed_metadata(const RunConfig& config, const std::string& line,
                                                    const std::string& replacement) {
  auto metadata = weights_metadata(config);
  std::string& settings = metadata.at("cloob_config");
  const std::size_t at = settings.find(line);
  EXPECT_NE(at, std::string::npos) << settings;
  settings.replace(at, line.size(), replacement);
  return metadata;
}

TEST(ImportModel, KeepsWhatTensorsDoNotTell) {
  const TempDir folder;
  const RunConfig config = vit_config();
  export_file(model_of(config), folder / "x.safetensors");
  const ImportedModel imported = import_model(folder / "x.safetensors", {});
  EXPECT_EQ(imported.config.model.text.heads, 4);
  EXPECT_EQ(imported.config.model.image.head_width, 32);
  EXPECT_EQ(imported.config.model.activation, Activation::quick_gelu);
  EXPECT_TRUE(imported.has_tokenizer);
}

TEST(ImportModel, ChecksEveryTensorAgainstTheArchitecture) {
  const TempDir folder;
  const NamedTensors weights = random_weights(vit_config().model);
  const auto expect_rejected = [&](const std::string& name, const at::Tensor& tensor,
                                   const std::string& part) {
    NamedTensors changed = weights;
    changed.erase(name);
    if (tensor.defined()) changed[name] = tensor;
    write_safetensors(folder / "x", changed, {});
    expect_user_error([&] { import_model(folder / "x", {}); }, {(folder / "x").string(), part});
  };
  write_safetensors(folder / "x", weights, {});
  EXPECT_NO_THROW(import_model(folder / "x", {}));
  const std::string block = "transformer.resblocks.0.";
  expect_rejected(block + "mlp.c_fc.weight", at::ones({255, 64}), "1 with a different shape (" + block);
  expect_rejected(block + "attn.in_proj_bias", at::ones({192, 1}), "1 with a different shape");
  expect_rejected("visual.class_embedding", at::ones({63}), "1 with a different shape");
  expect_rejected("visual.ln_pre.bias", {}, "1 missing (visual.ln_pre.bias)");
  expect_rejected("logit_scale", {}, "1 missing (logit_scale)");
  expect_rejected("visual.transformer.resblocks.0.ln_1.extra", at::ones({1}), "1 unexpected");
  expect_rejected("text_projection", at::ones({64, 13}), "different shape");
  expect_rejected("visual.conv1.weight", at::ones({100, 3, 8, 8}), "must be a multiple of");
  expect_rejected("ln_final.weight", at::ones({17'000'000}), "at most");
  expect_rejected("ln_final.weight", at::ones({70'016}), "model.text.width is 70016, must be in [1, 65536]");
}

TEST(ImportModel, KnowsTheSigmoidLossByItsBias) {
  const TempDir folder;
  ImportedModel model = model_of(vit_config());
  EXPECT_EQ(import_model((export_file(model, folder / "a.safetensors"), folder / "a.safetensors"), {})
                .config.objective,
            ObjectiveSystem::clip);
  model.weights["logit_bias"] = at::full({}, -9.25);
  export_file(model, folder / "b.safetensors");
  export_folder(model, ExportFormat::open_clip, folder / "c");
  const auto config = nlohmann::json::parse(read_file(folder / "c" / "open_clip_config.json"));
  EXPECT_EQ(config.at("model_cfg").at("init_logit_bias"), -9.25);
  for (const ImportedModel& imported :
       {import_model(folder / "b.safetensors", {}), import_folder(folder / "c")}) {
    EXPECT_EQ(imported.weights.at("logit_bias").item<double>(), -9.25);
    EXPECT_EQ(imported.config.objective, ObjectiveSystem::siglip);
  }
  model.weights["logit_bias"] = at::full({2}, -9.25);
  export_file(model, folder / "d.safetensors");
  expect_user_error([&] { import_model(folder / "d.safetensors", {}); },
                    {"1 with a different shape (logit_bias is (2), the model's is ())"});
}

TEST(ImportModel, RejectsNegativeVariances) {
  const TempDir folder;
  RunConfig config = vit_config();
  config.model.image = {.kind = ImageEncoderKind::resnet,
                        .image_size = 32,
                        .layers = {1, 1, 1, 1},
                        .width = 2,
                        .patch_size = {}};
  NamedTensors weights = random_weights(config.model);
  write_safetensors(folder / "x", weights, {});
  EXPECT_NO_THROW(import_model(folder / "x", {}));
  weights.at("visual.layer2.0.bn3.running_var")[1] = -0.5;
  write_safetensors(folder / "x", weights, {});
  expect_user_error([&] { import_model(folder / "x", {}); },
                    {"'visual.layer2.0.bn3.running_var'", "negative"});
}

TEST(ImportModel, OpensNoFileThatAWeightsFileNames) {
  const TempDir folder;
  RunConfig config = vit_config();
  const NamedTensors weights = random_weights(config.model);
  const auto import_with = [&](const std::string& line, const std::string& replacement) {
    write_safetensors(folder / "x", weights, changed_metadata(config, line, replacement));
    return import_model(folder / "x", {});
  };
  expect_user_error([&] { import_with("model:", "include: /dev/zero\nmodel:"); },
                    {"may not include other files"});
  expect_user_error([&] { import_with("model:", "# " + std::string(100'000, '-') + "\nmodel:"); },
                    {"the limit of"});
  const ImportedModel named = import_with("vocabulary_file: \"\"", "vocabulary_file: /dev/zero");
  EXPECT_FALSE(named.has_tokenizer);
  EXPECT_EQ(named.config.text.vocabulary_file, "");
}

TEST(ImportModel, DoesNotStoreWhereTheTokenizerIs) {
  const TempDir folder;
  RunConfig config = vit_config();
  config.text.tokenizer = TokenizerKind::sentencepiece;
  config.text.model_file = "/home/someone/words.model";
  export_file(model_of(config), folder / "x.safetensors");
  EXPECT_EQ(read_file(folder / "x.safetensors").find("/home/someone"), std::string::npos);
  EXPECT_FALSE(import_model(folder / "x.safetensors", {}).has_tokenizer);
  OutputFile(folder / "mine.model").write("not read here");
  const ImportedModel imported =
      import_model(folder / "x.safetensors", {.tokenizer = (folder / "mine.model").string()});
  EXPECT_TRUE(imported.has_tokenizer);
  EXPECT_EQ(imported.config.text.tokenizer, TokenizerKind::sentencepiece);
  EXPECT_EQ(imported.config.text.model_file, (folder / "mine.model").string());
}

TEST(ImportModel, TakesSettingsFromTheFilesNextToTransformersWeights) {
  const TempDir folder;
  const auto write = [&](const std::string& name, const nlohmann::json& json) {
    OutputFile(folder / name).write(json.dump());
  };
  write_safetensors(folder / "model.safetensors", with_hugging_face_names(random_weights(vit_config().model)),
                    {});
  EXPECT_EQ(import_model(folder / "model.safetensors", {}).config.model.text.heads, 1);  // of 64 features
  const nlohmann::json vision = {{"hidden_act", "gelu"}, {"num_attention_heads", 2}};
  const nlohmann::json text = {{"hidden_act", "gelu"}, {"num_attention_heads", 4}};
  write("config.json", {{"vision_config", vision}, {"text_config", text}});
  write("preprocessor_config.json", {{"image_mean", {0.5, 0.5, 0.5}}, {"resample", 2}});
  const RunConfig config = import_folder(folder.path()).config;
  EXPECT_EQ(config.model.activation, Activation::gelu);
  EXPECT_EQ(config.model.image.head_width, 32);
  EXPECT_EQ(config.model.text.heads, 4);
  EXPECT_EQ(config.image.mean, (std::vector<double>{0.5, 0.5, 0.5}));
  EXPECT_EQ(config.image.interpolation, Interpolation::bilinear);

  const auto expect_rejected = [&](const char* key, const nlohmann::json& value, const std::string& part) {
    nlohmann::json changed = text;
    changed[key] = value;
    write("config.json", {{"vision_config", vision}, {"text_config", changed}});
    expect_user_error([&] { import_folder(folder.path()); }, {"config.json", part});
  };
  expect_rejected("hidden_act", "silu", "'silu'");
  expect_rejected("layer_norm_eps", 1e-6, "layer_norm_eps in the text tower is 1e-06");
  expect_rejected("num_attention_heads", "four", "another type");
  write("config.json",
        {{"vision_config", vision}, {"text_config", {{"hidden_act", "gelu"}, {"num_attention_heads", 3}}}});
  expect_user_error([&] { import_folder(folder.path()); },
                    {"64 wide, which 3 attention heads cannot divide"});
}

TEST(ImportModel, TakesWhatTheImageTowerOfTransformersHasOfItsOwn) {
  const TempDir folder;
  RunConfig config = vit_config(49408);
  config.model.image.activation = Activation::gelu;
  config.model.image.norm_eps = 1e-6;
  const ImportedModel model = model_of(config);
  export_folder(model, ExportFormat::hf, folder / "a");
  // Without the metadata, which transformers drops when it saves.
  write_safetensors(folder / "a" / "model.safetensors", with_hugging_face_names(model.weights), {});
  const ModelConfig again = import_folder(folder / "a").config.model;
  EXPECT_EQ(again.activation, Activation::quick_gelu);
  EXPECT_EQ(again.image.activation, Activation::gelu);
  EXPECT_EQ(again.image.norm_eps, 1e-6);
}

TEST(ImportModel, TakesWhatTheImageTowerOfOpenClipHasOfItsOwn) {
  const TempDir folder;
  RunConfig config = vit_config();
  config.model.image.norm_before_blocks = false;
  config.model.image.norm_eps = 1e-6;
  const ImportedModel model = model_of(config);
  export_folder(model, ExportFormat::open_clip, folder / "a");
  const auto json = nlohmann::json::parse(read_file(folder / "a" / "open_clip_config.json"));
  EXPECT_EQ(json["model_cfg"]["vision_cfg"]["no_ln_pre"], true);
  write_safetensors(folder / "a" / "open_clip_model.safetensors", model.weights, {});
  const ModelConfig again = import_folder(folder / "a").config.model;
  EXPECT_FALSE(again.image.norm_before_blocks);
  EXPECT_EQ(again.image.norm_eps, 1e-6);
}

// The image tower of SLIP under timm's names.
NamedTensors with_slip_names(const NamedTensors& weights) {
  NamedTensors renamed;
  for (const auto& [name, tensor] : weights) {
    std::string slips = name;
    const auto replace = [&](std::string_view from, std::string_view to) {
      const std::size_t at = slips.find(from);
      if (name.starts_with("visual.") && at != std::string::npos) slips.replace(at, from.size(), to);
    };
    for (const auto& [from, to] :
         std::map<std::string, std::string>{{"transformer.resblocks", "blocks"},
                                            {"conv1", "patch_embed.proj"},
                                            {".ln_1", ".norm1"},
                                            {".ln_2", ".norm2"},
                                            {"ln_post", "norm"},
                                            {"in_proj_", "qkv."},
                                            {"out_proj", "proj"},
                                            {"c_fc", "fc1"},
                                            {"c_proj", "fc2"},
                                            {"class_embedding", "cls_token"},
                                            {"visual.positional_embedding", "visual.pos_embed"},
                                            {"visual.proj", "image_projection"}})
      replace(from, to);
    renamed["module." + slips] = name.starts_with("visual.") && name.ends_with("_embedding")
                                     ? tensor.reshape({1, -1, tensor.size(-1)})
                                     : tensor;
  }
  return renamed;
}

RunConfig slip_config(std::int64_t width, std::int64_t head_width) {
  RunConfig config = vit_config();
  ImageEncoderConfig& image = config.model.image;
  image.width = width;
  image.head_width = head_width;
  image.norm_before_blocks = false;
  image.patch_bias = true;
  config.model.text.heads = 1;
  return config;
}

TEST(ImportModel, KnowsWhatSlipsModelsHave) {
  const TempDir folder;
  for (const auto& [width, head_width] : {std::pair{384, 32}, std::pair{768, 64}, std::pair{64, 64}}) {
    const ModelConfig model = slip_config(width, head_width).model;
    write_safetensors(folder / "x", with_slip_names(random_weights(model)), {});
    const RunConfig config = import_model(folder / "x", {}).config;
    EXPECT_EQ(config.model.image.head_width, head_width);
    EXPECT_EQ(config.model.activation, Activation::quick_gelu);
    EXPECT_EQ(config.model.image.activation, Activation::gelu);
    EXPECT_EQ(config.model.image.norm_eps, 1e-6);
    EXPECT_FALSE(config.model.image.norm_before_blocks);
    EXPECT_TRUE(config.model.image.patch_bias);
    EXPECT_EQ(config.image.mean, (std::vector<double>{0.485, 0.456, 0.406}));
    EXPECT_EQ(config.image.std, (std::vector<double>{0.229, 0.224, 0.225}));
    EXPECT_EQ(config.image.interpolation, Interpolation::bilinear);
    EXPECT_EQ(config.text.truncation, Truncation::cut);
  }
}

TEST(ExportModel, WritesSlipsModelsAsAFileOnly) {
  const TempDir folder;
  write_safetensors(folder / "slip", with_slip_names(random_weights(slip_config(384, 32).model)), {});
  const ImportedModel model = import_model(folder / "slip", {});
  export_file(model, folder / "x.safetensors");
  const RunConfig again = import_model(folder / "x.safetensors", {}).config;
  EXPECT_EQ(print_config(again), print_config(model.config));
  for (const ExportFormat format : {ExportFormat::open_clip, ExportFormat::hf})
    expect_user_error([&] { export_folder(model, format, folder / "a"); },
                      {"a bias in the embedding of patches", "--out NAME.safetensors"});
  RunConfig config = vit_config();
  config.model.image.activation = Activation::gelu;
  expect_user_error([&] { export_folder(model_of(config), ExportFormat::open_clip, folder / "a"); },
                    {"open_clip cannot have different activations in its towers"});
  EXPECT_FALSE(std::filesystem::exists(folder / "a"));
}

TEST(ReadInitialWeights, TellsWhatTheImageTowerHasOfItsOwn) {
  const TempDir folder;
  write_safetensors(folder / "slip", with_slip_names(random_weights(slip_config(64, 64).model)), {});
  export_file(import_model(folder / "slip", {}), folder / "x.safetensors");
  for (const char* file : {"slip", "x.safetensors"}) {
    const InitialWeights initial = read_initial_weights(folder / file);
    EXPECT_TRUE(initial.activation_is_known);
    EXPECT_EQ(initial.activation, Activation::quick_gelu);
    EXPECT_EQ(initial.image_activation, Activation::gelu);
    EXPECT_EQ(initial.image_norm_eps, 1e-6);
  }
}

TEST(ImportModel, WarnsOfPreprocessingThatItCannotRepeat) {
  const TempDir folder;
  write_safetensors(folder / "model.safetensors", with_hugging_face_names(random_weights(vit_config().model)),
                    {});
  const nlohmann::json tower = {{"hidden_act", "gelu"}, {"num_attention_heads", 2}, {"image_size", 32}};
  OutputFile(folder / "config.json")
      .write(nlohmann::json{{"vision_config", tower}, {"text_config", tower}}.dump());
  const auto warnings_for = [&](const nlohmann::json& preprocessing) {
    OutputFile(folder / "preprocessor_config.json").write(preprocessing.dump());
    set_log_level(LogLevel::warning);
    ::testing::internal::CaptureStderr();
    import_folder(folder.path());
    set_log_level(LogLevel::error);
    return ::testing::internal::GetCapturedStderr();
  };
  EXPECT_EQ(warnings_for({{"size", {{"shortest_edge", 32}}},
                          {"crop_size", {{"height", 32}, {"width", 32}}},
                          {"do_normalize", true},
                          {"rescale_factor", 0.00392156862745098}}),
            "");
  EXPECT_EQ(warnings_for({{"size", 32}, {"crop_size", 32}}), "");
  EXPECT_THAT(warnings_for({{"size", {{"shortest_edge", 40}}}, {"do_center_crop", false}}),
              ::testing::HasSubstr(
                  "do_center_crop is false, images are resized to 40; here images are resized to 32"));
}

TEST(ExportModel, WritesAFolderThatIsImportedAgain) {
  const TempDir folder;
  const RunConfig config = vit_config();
  const ImportedModel model = model_of(config);
  export_folder(model, ExportFormat::open_clip, folder / "a");
  const auto json = nlohmann::json::parse(read_file(folder / "a" / "open_clip_config.json"));
  EXPECT_EQ(json["model_cfg"]["vision_cfg"]["layers"], 2);
  EXPECT_EQ(json["model_cfg"]["quick_gelu"], true);
  // Without the metadata, which other programs drop when they save.
  write_safetensors(folder / "a" / "open_clip_model.safetensors", model.weights, {});
  const RunConfig again = import_folder(folder / "a").config;
  EXPECT_EQ(again.model.text.heads, 4);
  EXPECT_EQ(again.model.image.head_width, 32);
  EXPECT_EQ(again.model.activation, Activation::quick_gelu);
  expect_user_error([&] { export_folder(model, ExportFormat::open_clip, folder / "a"); }, {"a'"});
  expect_user_error([&] { import_folder(folder.path()); }, {"nor a folder with weights of another program"});
}

TEST(ExportModel, RefusesTransformersForWhatItCannotExpress) {
  const TempDir folder;
  const auto expect_refused = [&](const RunConfig& config, const std::string& part) {
    ImportedModel model{.weights = {}, .config = config};
    expect_user_error([&] { export_folder(model, ExportFormat::hf, folder / "a"); },
                      {part, "--format open_clip"});
  };
  RunConfig config = vit_config(49408);
  config.image.resize_mode = ResizeMode::longest;
  expect_refused(config, "longest");
  expect_refused(vit_config(), "another tokenizer than CLIP's");
  config = vit_config(49408);
  config.text.tokenizer = TokenizerKind::sentencepiece;
  expect_refused(config, "another tokenizer");
  config = vit_config(49408);
  config.model.image.norm_before_blocks = false;
  expect_refused(config, "without a norm before its blocks");
  expect_refused(RunConfig(), "ResNet");
}

}  // namespace
}  // namespace cloob
