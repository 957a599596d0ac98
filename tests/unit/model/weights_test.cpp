#include "cloob/model/weights.h"

#include <ATen/ATen.h>

#include "cloob/base/error.h"
#include "cloob/base/tensor_copies.h"
#include "cloob/model/infer_config.h"
#include "model/position_resampling.h"
#include "support/named_tensors.h"
#include "support/support.h"
#include "tiny_models.h"

namespace cloob {
namespace {

using testing::expect_same_bits;
using testing::random_model;
using testing::tiny_resnet;
using testing::tiny_slip;
using testing::tiny_vit;

TEST(Weights, AreCopiedFromModelToModel) {
  for (const ModelConfig& config : {tiny_resnet(), tiny_vit(), tiny_slip()}) {
    DualEncoder source = random_model(config, 1);
    source->set_inv_tau(14.3, /*learned=*/true);
    if (config.image.kind == ImageEncoderKind::resnet) source->encode_image(at::randn({2, 3, 64, 64}));
    DualEncoder target(config, Initializer::uninitialized());
    load_weights(target, weights_of(source), "test");
    expect_same_bits(weights_of(target), weights_of(source));
  }
}

TEST(Weights, OfTheModelShareItsMemory) {
  const DualEncoder model = random_model(tiny_vit(), 1);
  weights_of(model).at("visual.proj").fill_(5);
  EXPECT_TRUE(weights_of(model).at("visual.proj").eq(5).all().item<bool>());
}

TEST(Weights, AreConvertedToTheModelsDtype) {
  DualEncoder model = random_model(tiny_vit(), 1);
  NamedTensors weights = copies_of(weights_of(model));
  for (auto& [name, tensor] : weights) tensor = tensor.to(at::kHalf);
  weights.at("logit_scale") = at::full({1}, 2.5);  // some files store a one-element vector
  load_weights(model, weights, "test");
  EXPECT_EQ(weights_of(model).at("visual.proj").scalar_type(), at::kFloat);
  EXPECT_TRUE(weights_of(model).at("visual.proj").equal(weights.at("visual.proj").to(at::kFloat)));
  EXPECT_EQ(weights_of(model).at("logit_scale").item<double>(), 2.5);
}

TEST(Weights, MismatchesAreListedAndChangeNothing) {
  DualEncoder model = random_model(tiny_vit(), 1);
  const NamedTensors before = copies_of(weights_of(model));
  NamedTensors weights = copies_of(weights_of(random_model(tiny_vit(), 2)));
  weights.erase("visual.ln_pre.bias");
  weights["visual.extra"] = at::zeros({1});
  weights.at("visual.proj") = at::zeros({64, 13});
  testing::expect_user_error(
      [&] { load_weights(model, weights, "some.safetensors"); },
      {"some.safetensors: ", "1 missing (visual.ln_pre.bias)", "1 unexpected (visual.extra)",
       "1 with a different shape (visual.proj is (64, 13), the model's is (64, 12))"});
  expect_same_bits(weights_of(model), before);
}

TEST(Weights, ListOnlyTheFirstFewMismatches) {
  DualEncoder model = random_model(tiny_vit(), 1);
  testing::expect_user_error([&] { load_weights(model, {}, "empty"); },
                             {"missing (ln_final.bias, ln_final.weight, logit_scale, ", ", ...)"});
}

TEST(Weights, AreResampledForAnotherImageSizeAndContextLength) {
  for (ModelConfig config : {tiny_resnet(), tiny_vit(), tiny_slip()}) {
    const NamedTensors weights = copies_of(weights_of(random_model(config, 1)));
    const bool is_vit = config.image.kind == ImageEncoderKind::vit;
    config.image.image_size = is_vit ? 40 : 96;
    config.text.context_length = 16;
    DualEncoder model = random_model(config, 2);
    load_weights(model, weights, "test");

    // The values of the resampling are checked by the parity tests.
    NamedTensors expected = weights;
    at::Tensor& image_positions =
        expected.at(is_vit ? "visual.positional_embedding" : "visual.attnpool.positional_embedding");
    image_positions = resample_image_positions(image_positions, is_vit ? 5 : 3);
    at::Tensor& text_positions = expected.at("positional_embedding");
    text_positions = resample_text_positions(text_positions, 16);
    expect_same_bits(weights_of(model), expected);
  }
}

TEST(InferModelConfig, RecoversTheArchitectureOfOurModels) {
  for (const ModelConfig& config : {tiny_resnet(), tiny_vit(), tiny_slip()}) {
    const ModelConfig found = infer_model_config(weights_of(DualEncoder(config, Initializer::shapes_only())));
    EXPECT_EQ(found.embed_dim, config.embed_dim);
    EXPECT_EQ(found.image.kind, config.image.kind);
    EXPECT_EQ(found.image.image_size, config.image.image_size);
    EXPECT_EQ(found.image.layers, config.image.layers);
    EXPECT_EQ(found.image.width, config.image.width);
    EXPECT_EQ(found.image.patch_size, config.image.patch_size);
    EXPECT_EQ(found.image.heads(), config.image.heads());
    EXPECT_EQ(found.image.norm_before_blocks, config.image.norm_before_blocks);
    EXPECT_EQ(found.image.patch_bias, config.image.patch_bias);
    EXPECT_EQ(found.text.context_length, config.text.context_length);
    EXPECT_EQ(found.text.vocab_size, config.text.vocab_size);
    EXPECT_EQ(found.text.width, config.text.width);
    EXPECT_EQ(found.text.heads, config.text.heads);
    EXPECT_EQ(found.text.layers, config.text.layers);
  }
}

TEST(InferModelConfig, CountsMoreThanTenBlocks) {
  ModelConfig config = tiny_vit();
  config.text.layers = 11;
  EXPECT_EQ(infer_model_config(weights_of(DualEncoder(config, Initializer::shapes_only()))).text.layers, 11);
}

TEST(InferModelConfig, SaysWhatIsMissing) {
  const NamedTensors weights = weights_of(DualEncoder(tiny_vit(), Initializer::shapes_only()));
  const auto expect_invalid = [&](const std::string& name, const at::Tensor& tensor,
                                  std::initializer_list<std::string> parts) {
    NamedTensors broken = weights;
    broken.erase(name);
    if (tensor.defined()) broken[name] = tensor;
    testing::expect_user_error([&] { infer_model_config(broken); }, parts);
  };
  expect_invalid("ln_final.weight", {}, {"no tensor 'ln_final.weight'", "open_clip"});
  expect_invalid("visual.conv1.weight", at::zeros({4}), {"'visual.conv1.weight' has 1 dimensions"});
  expect_invalid("visual.positional_embedding", at::zeros({12, 64}), {"has 12 rows"});
  expect_invalid("ln_final.weight", at::zeros({100}), {"100 wide", "multiple of 64"});
  expect_invalid("ln_final.weight", at::zeros({0}), {"'ln_final.weight' is empty"});
  expect_invalid("visual.conv1.weight", at::zeros({64, 3, 8, 0}), {"'visual.conv1.weight' is empty"});
  testing::expect_user_error([] { infer_model_config({}); }, {"0 tensors"});
}

// Features do not depend on the bias of the sigmoid loss.
TEST(Weights, OfAModelWithALogitBiasFitOneWithoutAndTheReverse) {
  DualEncoder with = random_model(tiny_vit(), 1), without = random_model(tiny_vit(), 2);
  with->add_logit_bias(-7);
  load_weights(without, weights_of(with), "x");
  EXPECT_FALSE(weights_of(without).contains("logit_bias"));
  DualEncoder other = random_model(tiny_vit(), 3);
  other->add_logit_bias(-5);
  load_weights(other, weights_of(without), "x");
  EXPECT_EQ(weights_of(other).at("logit_bias").item<double>(), -5);
  load_weights(other, weights_of(with), "x");
  EXPECT_EQ(weights_of(other).at("logit_bias").item<double>(), -7);
  expect_same_bits(weights_of(other), weights_of(with));
}

}  // namespace
}  // namespace cloob
