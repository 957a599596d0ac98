#include "cloob/model/dual_encoder.h"

#include <ATen/ATen.h>

#include <cmath>
#include <map>
#include <optional>
#include <string>

#include "cloob/base/error.h"
#include "cloob/base/named_tensors.h"
#include "cloob/device/autocast.h"
#include "cloob/model/weights.h"
#include "support/support.h"
#include "tiny_models.h"

namespace cloob {
namespace {

using testing::random_model;
using testing::tiny_resnet;
using testing::tiny_vit;

at::Tensor images(const ModelConfig& config) {
  return at::randn({4, 3, config.image.image_size, config.image.image_size});
}
at::Tensor tokens() { return at::randint(40, {4, 10}, at::kLong); }
at::Tensor ends() { return at::tensor({2, 4, 9, 7}, at::kLong); }

void expect_unit_rows(const at::Tensor& features) {
  EXPECT_EQ(features.sizes(), at::IntArrayRef({4, 12}));
  EXPECT_EQ(features.scalar_type(), at::kFloat);
  testing::expect_close(features.norm(2, 1), at::ones({4}), 0, 1e-6);
}

TEST(DualEncoder, ReturnsUnitRowsInFloat32InAnyPrecision) {
  for (const ModelConfig& config : {tiny_resnet(), tiny_vit()}) {
    DualEncoder model = random_model(config, 1);
    const at::Tensor pixels = images(config), ids = tokens();
    const at::Tensor image = model->encode_image(pixels), text = model->encode_text(ids, ends());
    expect_unit_rows(image);
    expect_unit_rows(text);
    for (const Precision precision : {Precision::bf16, Precision::fp16}) {
      const Autocast autocast(at::kCPU, precision);
      const at::Tensor autocast_image = model->encode_image(pixels),
                       autocast_text = model->encode_text(ids, ends());
      expect_unit_rows(autocast_image);
      expect_unit_rows(autocast_text);
      testing::expect_relative_norm(autocast_image, image, 0.03);
      testing::expect_relative_norm(autocast_text, text, 0.03);
    }
  }
}

TEST(DualEncoder, GivesTheFeaturesOfEachStageThatIsAskedFor) {
  const std::map<std::int64_t, ModelConfig> configs = {{32 * tiny_resnet().image.width, tiny_resnet()},
                                                       {tiny_vit().image.width, tiny_vit()}};
  for (const auto& [tower_width, config] : configs) {
    DualEncoder model = random_model(config, 1);
    model->eval();
    const at::Tensor pixels = images(config);
    const ImageFeatureStages all = model->encode_image(pixels, {FeatureStage::raw, FeatureStage::tower});
    EXPECT_TRUE(at::equal(all.unit_BD, model->encode_image(pixels)));
    testing::expect_close(all.unit_BD, all.raw_BD / all.raw_BD.norm(2, 1, true), 1e-6, 1e-6);
    EXPECT_FALSE(at::allclose(all.unit_BD, all.raw_BD));
    EXPECT_EQ(all.tower_BW.sizes(), at::IntArrayRef({4, tower_width}));
    const NamedTensors weights = weights_of(model);
    const at::Tensor raw_BD = config.image.kind == ImageEncoderKind::vit
                                  ? all.tower_BW.matmul(weights.at("visual.proj"))
                                  : at::linear(all.tower_BW, weights.at("visual.attnpool.c_proj.weight"),
                                               weights.at("visual.attnpool.c_proj.bias"));
    testing::expect_close(all.raw_BD, raw_BD, 1e-5, 1e-6);
    const ImageFeatureStages unit = model->encode_image(pixels, {});
    EXPECT_FALSE(unit.raw_BD.defined() || unit.tower_BW.defined());
  }
}

TEST(DualEncoder, ComputesInFloat64) {
  DualEncoder model = random_model(tiny_vit(), 1);
  model->to(at::kDouble);
  EXPECT_EQ(model->encode_image(images(tiny_vit()).to(at::kDouble)).scalar_type(), at::kDouble);
  EXPECT_EQ(model->encode_text(tokens(), ends()).scalar_type(), at::kDouble);
}

TEST(DualEncoder, IgnoresTokensAfterTheEndOfAText) {
  DualEncoder model = random_model(tiny_vit(), 1);
  const at::Tensor ids = tokens();
  const at::Tensor short_ends = at::tensor({2, 4, 5, 1}, at::kLong);
  const at::Tensor features = model->encode_text(ids, short_ends);
  at::Tensor padded = ids.clone();
  padded.narrow(1, 6, 4).zero_();
  testing::expect_close(model->encode_text(padded, short_ends), features, 0, 1e-6, "other padding");
  testing::expect_close(model->encode_text(ids.narrow(1, 0, 6), short_ends), features, 0, 1e-6, "cut");
}

TEST(DualEncoder, EncodesATextInAMixedBatchAsOnItsOwn) {
  DualEncoder model = random_model(tiny_vit(), 1);
  const at::Tensor ids = tokens(), together = model->encode_text(ids, ends());
  for (std::int64_t text = 0; text < ids.size(0); ++text) {
    const at::Tensor alone = model->encode_text(ids.narrow(0, text, 1), ends().narrow(0, text, 1));
    testing::expect_close(together.narrow(0, text, 1), alone, 0, 1e-6);
  }
}

TEST(DualEncoder, PaddedTextsHaveTheSameFeaturesAndGradients) {
  DualEncoder model = random_model(tiny_vit(), 1);
  model->to(at::kDouble);
  const at::Tensor ids = tokens();
  const auto gradients_of = [&](const at::Tensor& features) {
    features.pow(3).sum().backward();
    return testing::take_gradients(model);
  };
  const at::Tensor packed = model->encode_text(ids, ends()), padded = model->encode_padded_text(ids, ends());
  testing::expect_close(padded, packed, 1e-10, 1e-12);
  const NamedTensors expected = gradients_of(packed), actual = gradients_of(padded);
  ASSERT_EQ(actual.size(), expected.size());
  for (const auto& [name, gradient] : expected)
    testing::expect_close(actual.at(name), gradient, 1e-9, 1e-12, name);
}

TEST(DualEncoder, RejectsAnEndOutsideOfTheText) {
  DualEncoder model = random_model(tiny_vit(), 1);
  EXPECT_THROW(model->encode_text(tokens(), at::tensor({2, 4, 10, 7}, at::kLong)), InternalError);
  EXPECT_THROW(model->encode_text(tokens(), at::tensor({2, -1, 9, 7}, at::kLong)), InternalError);
}

TEST(DualEncoder, HasTheSameInitialWeightsForTheSameSeed) {
  for (const ModelConfig& config : {tiny_resnet(), tiny_vit()}) {
    const NamedTensors first = weights_of(random_model(config, 3)),
                       second = weights_of(random_model(config, 3)),
                       other = weights_of(random_model(config, 4));
    for (const auto& [name, tensor] : first) EXPECT_TRUE(tensor.equal(second.at(name))) << name;
    EXPECT_FALSE(first.at("text_projection").equal(other.at("text_projection")));
    EXPECT_FALSE(first.at("visual.conv1.weight").equal(other.at("visual.conv1.weight")));
  }
}

TEST(DualEncoder, StoresItsTemperatureAsALogarithm) {
  DualEncoder model = random_model(tiny_vit(), 1);
  model->set_inv_tau(30, /*learned=*/false);
  EXPECT_NEAR(model->inv_tau().item<double>(), 30, 1e-4);
  EXPECT_NEAR(weights_of(model).at("logit_scale").item<double>(), std::log(30.0), 1e-6);
  EXPECT_FALSE(model->inv_tau().requires_grad());
  model->set_inv_tau(1 / 0.07, /*learned=*/true);
  EXPECT_TRUE(model->inv_tau().requires_grad());
}

TEST(DualEncoder, HasALogitBiasOnlyIfItWasGivenOne) {
  DualEncoder model = random_model(tiny_vit(), 1);
  EXPECT_FALSE(model->logit_bias().defined());
  EXPECT_FALSE(weights_of(model).contains("logit_bias"));
  model->to(at::kDouble);
  model->add_logit_bias(-10);
  model->to(at::kFloat);
  EXPECT_EQ(weights_of(model).at("logit_bias").item<double>(), -10);
  EXPECT_TRUE(model->logit_bias().is_same(model->named_parameters()["logit_bias"]));
  const TrainedParameter parameter = model->trained_parameters().at("logit_bias");
  EXPECT_TRUE(parameter.tensor.requires_grad());
  EXPECT_EQ(parameter.tower, Tower::shared);
  EXPECT_TRUE(parameter.is_exempt_from_decay);
}

TEST(DualEncoder, RejectsInputsOfTheWrongSize) {
  DualEncoder model = random_model(tiny_vit(), 1);
  EXPECT_THROW(model->encode_image(at::zeros({1, 3, 32, 32})), InternalError);
  EXPECT_THROW(model->encode_text(at::zeros({1, 11}, at::kLong), at::zeros({1}, at::kLong)), InternalError);
}

TEST(DualEncoder, ConvertsBothTowersToAnotherDtype) {
  DualEncoder model = random_model(tiny_resnet(), 1);
  model->to(at::kDouble);
  for (const auto& [name, tensor] : weights_of(model)) EXPECT_NE(tensor.scalar_type(), at::kFloat) << name;
}

using Layers = std::map<std::string, std::optional<std::int64_t>>;

// Also checks that every parameter belongs to the right tower.
void expect_layers(const DualEncoder& model, const Layers& expected) {
  const TrainedParameters parameters = model->trained_parameters();
  EXPECT_EQ(parameters.size(), model->named_parameters().size());
  for (const auto& [name, parameter] : parameters) {
    const bool is_image = name.starts_with("visual.");
    const Tower tower = name == "logit_scale" ? Tower::shared : is_image ? Tower::image : Tower::text;
    EXPECT_EQ(parameter.tower, tower) << name;
  }
  for (const auto& [name, layer] : expected) EXPECT_EQ(parameters.at(name).layer, layer) << name;
}

TEST(DualEncoder, KnowsTowerAndLayerOfItsParameters) {
  const Layers text = {{"token_embedding.weight", 0},
                       {"positional_embedding", 0},
                       {"transformer.resblocks.0.ln_1.weight", 1},
                       {"transformer.resblocks.1.attn.in_proj_weight", 2},
                       {"ln_final.weight", std::nullopt},
                       {"text_projection", std::nullopt},
                       {"logit_scale", std::nullopt}};
  for (const ModelConfig& config : {testing::tiny_vit(), testing::tiny_slip(), testing::tiny_resnet()})
    expect_layers(testing::random_model(config, 1), text);
  expect_layers(testing::random_model(testing::tiny_vit(), 1),
                {{"visual.conv1.weight", 0},
                 {"visual.class_embedding", 0},
                 {"visual.positional_embedding", 0},
                 {"visual.ln_pre.weight", 0},
                 {"visual.transformer.resblocks.1.mlp.c_fc.bias", 2},
                 {"visual.ln_post.bias", std::nullopt},
                 {"visual.proj", std::nullopt}});
  expect_layers(testing::random_model(testing::tiny_slip(), 1),
                {{"visual.conv1.bias", 0},
                 {"visual.transformer.resblocks.0.ln_1.weight", 1},
                 {"visual.ln_post.bias", std::nullopt}});
  expect_layers(testing::random_model(testing::tiny_resnet(), 1),
                {{"visual.conv3.weight", 0},
                 {"visual.bn1.weight", 0},
                 {"visual.layer1.0.conv1.weight", 1},
                 {"visual.layer1.1.bn2.weight", 1},
                 {"visual.layer4.0.downsample.0.weight", 4},
                 {"visual.attnpool.c_proj.weight", std::nullopt}});
}

}  // namespace
}  // namespace cloob
