// The distributions of the initial weights in the reference code.
#include <ATen/ATen.h>

#include <cmath>

#include "cloob/model/weights.h"
#include "support/support.h"
#include "tiny_models.h"

namespace cloob {
namespace {

constexpr double kTextWidth = 64;
constexpr double kTextLayers = 2;

/// Checks standard deviation, mean, and tails that a uniform distribution lacks, as far as 256 or more
/// samples allow.
void expect_normal(const at::Tensor& weight, double std) {
  const double tolerance = 5 / std::sqrt(2.0 * static_cast<double>(weight.numel()));
  EXPECT_NEAR(weight.std().item<double>() / std, 1, tolerance);
  EXPECT_NEAR(weight.mean().item<double>() / std, 0, 2 * tolerance);
  EXPECT_GT(weight.abs().max().item<double>(), 2 * std);
}

void expect_uniform(const at::Tensor& weight, double bound) {
  EXPECT_LE(weight.abs().max().item<double>(), bound);
  EXPECT_GT(weight.max().item<double>(), 0.85 * bound);
  EXPECT_LT(weight.min().item<double>(), -0.85 * bound);
}

void expect_all(const at::Tensor& weight, double value) { EXPECT_TRUE(weight.eq(value).all().item<bool>()); }

TEST(InitialWeights, OfTheTextTower) {
  const NamedTensors weights = weights_of(testing::random_model(testing::tiny_vit(), 1));
  const double width_std = 1 / std::sqrt(kTextWidth);
  const double branch_std = width_std / std::sqrt(2 * kTextLayers);
  expect_normal(weights.at("token_embedding.weight"), 0.02);
  expect_normal(weights.at("positional_embedding"), 0.01);
  expect_normal(weights.at("text_projection"), width_std);
  for (const std::string block : {"transformer.resblocks.0.", "transformer.resblocks.1."}) {
    expect_normal(weights.at(block + "attn.in_proj_weight"), width_std);
    expect_normal(weights.at(block + "attn.out_proj.weight"), branch_std);
    expect_normal(weights.at(block + "mlp.c_fc.weight"), 1 / std::sqrt(2 * kTextWidth));
    expect_normal(weights.at(block + "mlp.c_proj.weight"), branch_std);
    expect_all(weights.at(block + "attn.in_proj_bias"), 0);
    expect_all(weights.at(block + "attn.out_proj.bias"), 0);
    expect_uniform(weights.at(block + "mlp.c_fc.bias"), width_std);
    expect_uniform(weights.at(block + "mlp.c_proj.bias"), 1 / std::sqrt(4 * kTextWidth));
    expect_all(weights.at(block + "ln_1.weight"), 1);
    expect_all(weights.at(block + "ln_2.bias"), 0);
  }
}

TEST(InitialWeights, OfTheVisionTransformer) {
  const NamedTensors weights = weights_of(testing::random_model(testing::tiny_vit(), 1));
  expect_normal(weights.at("visual.positional_embedding"), 1.0 / 8);
  expect_normal(weights.at("visual.proj"), 1.0 / 8);
  EXPECT_NEAR(weights.at("visual.class_embedding").std().item<double>(), 1.0 / 8, 0.06);
  expect_uniform(weights.at("visual.conv1.weight"), 1 / std::sqrt(3.0 * 8 * 8));
  const std::string block = "visual.transformer.resblocks.1.";
  expect_uniform(weights.at(block + "attn.in_proj_weight"), std::sqrt(6.0 / (64 + 3 * 64)));
  expect_uniform(weights.at(block + "attn.out_proj.weight"), 1.0 / 8);
  expect_uniform(weights.at(block + "mlp.c_fc.weight"), 1.0 / 8);
  expect_uniform(weights.at(block + "mlp.c_proj.weight"), 1.0 / 16);
  expect_all(weights.at(block + "attn.in_proj_bias"), 0);
  expect_all(weights.at(block + "attn.out_proj.bias"), 0);
}

TEST(InitialWeights, OfTheResnet) {
  const NamedTensors weights = weights_of(testing::random_model(testing::tiny_resnet(), 1));
  expect_uniform(weights.at("visual.conv3.weight"), 1 / std::sqrt(4.0 * 9));
  expect_uniform(weights.at("visual.layer4.0.conv2.weight"), 1 / std::sqrt(64.0 * 9));
  expect_uniform(weights.at("visual.layer2.0.downsample.0.weight"), 1 / std::sqrt(32.0));
  const double pool_std = 1 / std::sqrt(256.0);
  expect_normal(weights.at("visual.attnpool.positional_embedding"), pool_std);
  for (const std::string name : {"q_proj", "k_proj", "v_proj", "c_proj"}) {
    expect_normal(weights.at("visual.attnpool." + name + ".weight"), pool_std);
  }
  expect_uniform(weights.at("visual.attnpool.q_proj.bias"), pool_std);
}

TEST(InitialWeights, OfEveryBottlenecksLastGainAreZero) {
  const NamedTensors weights = weights_of(testing::random_model(testing::tiny_resnet(), 1));
  int num_zero = 0;
  for (const auto& [name, weight] : weights) {
    if (!name.ends_with("bn3.weight") || name == "visual.bn3.weight") continue;
    expect_all(weight, 0);
    ++num_zero;
  }
  EXPECT_EQ(num_zero, 5);
  expect_all(weights.at("visual.bn3.weight"), 1);
  expect_all(weights.at("visual.layer1.0.bn2.weight"), 1);
  expect_all(weights.at("visual.layer1.0.downsample.1.weight"), 1);
}

TEST(InitialWeights, AreRoundedToHalfPrecisionWhereTheReferenceDoes) {
  for (ModelConfig config : {testing::tiny_resnet(), testing::tiny_vit()}) {
    config.round_init_to_fp16 = true;
    for (const auto& [name, weight] : weights_of(testing::random_model(config, 1))) {
      const bool fits = weight.equal(weight.to(at::kHalf).to(weight.scalar_type()));
      EXPECT_EQ(fits, name.find("embedding") == std::string::npos) << name;
    }
  }
}

}  // namespace
}  // namespace cloob
