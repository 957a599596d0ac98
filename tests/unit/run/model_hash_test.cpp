#include "cloob/run/model_hash.h"

#include <functional>
#include <string>
#include <vector>

#include "cloob/base/files.h"
#include "cloob/base/tensor_copies.h"
#include "cloob/model/dual_encoder.h"
#include "cloob/model/weights.h"
#include "cloob/run/export_model.h"
#include "cloob/text/tokenizer.h"
#include "support/support.h"
#include "support/test_files.h"

namespace cloob {
namespace {

using testing::TempDir;

ImportedModel small_model() {
  ImportedModel model;
  model.config.model = {
      .embed_dim = 12,
      .image = {.kind = ImageEncoderKind::vit,
                .image_size = 16,
                .layers = {1},
                .width = 32,
                .patch_size = 8,
                .head_width = 16},
      .text = {.context_length = 8, .vocab_size = 20, .width = 32, .heads = 4, .layers = 1}};
  model.weights = copies_of(weights_of(DualEncoder(model.config.model, Initializer::random(1))));
  return model;
}

class ModelHash : public ::testing::Test {
 protected:
  // Of the model with other settings, from its file.
  std::string hash_with(const std::function<void(RunConfig&)>& change) {
    ImportedModel model = small_model();
    change(model.config);
    export_file(model, folder_ / "model.safetensors");
    return model_hash(load());
  }
  LoadedModel load() {
    return load_model((folder_ / "model.safetensors").string(), collectives_, at::kCPU, {});
  }

  TempDir folder_;
  SingleProcess collectives_;
};

TEST_F(ModelHash, IsAnotherIfFeaturesAre) {
  const std::string own = hash_with([](RunConfig&) {});
  EXPECT_EQ(own.size(), 32U);
  const std::vector<std::function<void(RunConfig&)>> changes = {
      [](RunConfig& config) { config.model.activation = Activation::quick_gelu; },
      [](RunConfig& config) { config.model.image.activation = Activation::quick_gelu; },
      [](RunConfig& config) { config.model.image.head_width = 8; },
      [](RunConfig& config) { config.model.image.norm_eps = 1e-6; },
      [](RunConfig& config) { config.model.text.heads = 2; },
      [](RunConfig& config) { config.image.mean[0] = 0.5; },
      [](RunConfig& config) { config.image.interpolation = Interpolation::bilinear; },
      [](RunConfig& config) { config.image.resize_mode = ResizeMode::longest; },
      [](RunConfig& config) { config.image.fill_color = 7; },
      [](RunConfig& config) { config.image.resize_before_rgb = true; },
      [](RunConfig& config) { config.text.truncation = Truncation::cut; },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) EXPECT_NE(hash_with(changes[i]), own) << "change " << i;
}

TEST_F(ModelHash, IgnoresWhatOnlyTrainingUses) {
  EXPECT_EQ(hash_with([](RunConfig& config) {
              config.model.round_init_to_fp16 = true;
              config.model.image.patch_dropout = 0.5;
              config.model.image.activation = config.model.activation;
              config.image.interpolation = Interpolation::random;
              config.image.decode = Decoding::scaled;
              config.image.train_crop = TrainCrop::random_crop;
              config.image.crop_scale = {0.5, 1.0};
              config.image.crop_ratio = {0.5, 2.0};
              config.image.squash_size = 20;
              config.image.horizontal_flip_probability = 0.5;
              config.image.color_jitter = {0.4, 0.4, 0.4, 0.1};
              config.image.color_jitter_probability = 0.8;
              config.image.gray_scale_probability = 0.2;
              config.image.gaussian_blur_probability = 0.2;
              config.image.gaussian_blur_sigma = {0.5, 1.0};
              config.train.steps = 3;
            }),
            hash_with([](RunConfig&) {}));
}

TEST_F(ModelHash, IsOfTheContentOfTheTokenizer) {
  const std::string own = hash_with([](RunConfig&) {});
  const auto with_file = [&](TokenizerKind kind, const std::string& name, const std::string& content) {
    testing::write_text(folder_ / name, content);
    LoadedModel loaded = load();
    loaded.config.text.tokenizer = kind;
    (kind == TokenizerKind::clip ? loaded.config.text.vocabulary_file : loaded.config.text.model_file) =
        (folder_ / name).string();
    return model_hash(loaded);
  };
  for (const TokenizerKind kind : {TokenizerKind::clip, TokenizerKind::sentencepiece}) {
    const std::string first = with_file(kind, "a", "one");
    EXPECT_NE(first, own);
    EXPECT_EQ(with_file(kind, "b", "one"), first) << "the same in another place";
    EXPECT_NE(with_file(kind, "a", "two"), first) << "another in the same place";
  }
  EXPECT_EQ(with_file(TokenizerKind::clip, "copy", read_file(tokenizer_file({}))), own);
  LoadedModel images_only = load();
  images_only.has_tokenizer = false;
  EXPECT_NE(model_hash(images_only), own);
}

}  // namespace
}  // namespace cloob
