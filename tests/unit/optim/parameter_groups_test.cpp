#include "cloob/optim/parameter_groups.h"

#include <ATen/ATen.h>

#include <cmath>
#include <map>
#include <string>

#include "cloob/optim/logit_scale.h"
#include "support/support.h"

namespace cloob {
namespace {

using ::testing::ElementsAre;

TEST(HasWeightDecay, DiffersBetweenTheReferencesWhereTheyDiffer) {
  struct Row {
    std::string_view name;
    std::int64_t num_dimensions;
    bool open_clip, cloob;
  };
  constexpr Row kRows[] = {
      {"visual.conv1.weight", 4, true, true},
      {"visual.layer1.0.bn1.weight", 1, false, false},
      {"visual.layer1.0.downsample.1.weight", 1, false, true},
      {"visual.layer1.0.downsample.1.bias", 1, false, false},
      {"visual.class_embedding", 1, false, true},
      {"positional_embedding", 2, true, true},
      {"transformer.resblocks.0.attn.in_proj_bias", 1, false, false},
      {"ln_final.weight", 1, false, false},
      {"logit_scale", 0, false, true},
      {"log_beta", 0, false, false},
  };
  for (const Row& row : kRows) {
    EXPECT_EQ(has_weight_decay(row.name, row.num_dimensions, Reference::open_clip), row.open_clip)
        << row.name;
    EXPECT_EQ(has_weight_decay(row.name, row.num_dimensions, Reference::cloob), row.cloob) << row.name;
  }
}

TEST(GroupParameters, LeavesFrozenOnesOut) {
  const NamedTensors parameters{{"logit_scale", at::ones({})},
                                {"text_projection", at::ones({2, 2}).requires_grad_()},
                                {"visual.bn1.weight", at::ones({2}).requires_grad_()}};
  const auto groups = group_parameters(parameters, {.weight_decay = 0.3}, Reference::cloob);
  ASSERT_EQ(groups.size(), 2U);
  EXPECT_EQ(groups[0].weight_decay, 0.0);
  EXPECT_THAT(groups[0].names, ElementsAre("visual.bn1.weight"));
  EXPECT_EQ(groups[1].weight_decay, 0.3);
  EXPECT_THAT(groups[1].names, ElementsAre("text_projection"));
  EXPECT_EQ(groups[0].lr_scale, 1.0);
}

// lr_scale by name.
std::map<std::string, double> lr_scales(std::initializer_list<const char*> names,
                                        const OptimizerConfig& config) {
  NamedTensors parameters;
  for (const char* name : names) parameters.emplace(name, at::ones({2, 2}).requires_grad_());
  std::map<std::string, double> scales;
  for (const ParameterGroup& group : group_parameters(parameters, config, Reference::open_clip)) {
    for (const std::string& name : group.names) scales.emplace(name, group.lr_scale);
  }
  return scales;
}

TEST(GroupParameters, GiveEveryLayerItsLearningRate) {
  OptimizerConfig config;
  config.lr = 1e-3;
  config.image = {.lr = 1e-4, .layer_decay = 0.5};
  config.text.layer_decay = 0.9;
  const auto scales = lr_scales(
      {"visual.conv1.weight", "visual.positional_embedding", "visual.transformer.resblocks.0.mlp.c_fc.weight",
       "visual.transformer.resblocks.10.ln_1.weight", "visual.proj", "token_embedding.weight",
       "transformer.resblocks.0.ln_1.weight", "transformer.resblocks.1.ln_1.weight", "text_projection",
       "ln_final.weight", "logit_scale"},
      config);
  // 11 blocks: the projection is layer 12, the first block layer 1.
  EXPECT_DOUBLE_EQ(scales.at("visual.proj"), 0.1);
  EXPECT_DOUBLE_EQ(scales.at("visual.transformer.resblocks.10.ln_1.weight"), 0.1 * 0.5);
  EXPECT_DOUBLE_EQ(scales.at("visual.transformer.resblocks.0.mlp.c_fc.weight"), 0.1 * std::pow(0.5, 11));
  EXPECT_DOUBLE_EQ(scales.at("visual.conv1.weight"), 0.1 * std::pow(0.5, 12));
  EXPECT_EQ(scales.at("visual.positional_embedding"), scales.at("visual.conv1.weight"));
  EXPECT_DOUBLE_EQ(scales.at("text_projection"), 1);
  EXPECT_DOUBLE_EQ(scales.at("ln_final.weight"), 1);
  EXPECT_DOUBLE_EQ(scales.at("transformer.resblocks.1.ln_1.weight"), 0.9);
  EXPECT_DOUBLE_EQ(scales.at("token_embedding.weight"), std::pow(0.9, 3));
  EXPECT_DOUBLE_EQ(scales.at("logit_scale"), 1);
}

TEST(GroupParameters, CountTheStagesOfAResNetAsLayers) {
  OptimizerConfig config;
  config.image.layer_decay = 0.5;
  const auto scales = lr_scales({"visual.conv3.weight", "visual.layer1.0.conv1.weight",
                                 "visual.layer4.2.bn3.weight", "visual.attnpool.c_proj.weight"},
                                config);
  EXPECT_DOUBLE_EQ(scales.at("visual.attnpool.c_proj.weight"), 1);
  EXPECT_DOUBLE_EQ(scales.at("visual.layer4.2.bn3.weight"), 0.5);
  EXPECT_DOUBLE_EQ(scales.at("visual.layer1.0.conv1.weight"), 0.0625);
  EXPECT_DOUBLE_EQ(scales.at("visual.conv3.weight"), 0.03125);
}

TEST(TowerOf, GoesByName) {
  EXPECT_EQ(tower_of("visual.attnpool.c_proj.weight"), Tower::image);
  EXPECT_EQ(tower_of("transformer.resblocks.0.ln_1.weight"), Tower::text);
  EXPECT_EQ(tower_of("positional_embedding"), Tower::text);
  EXPECT_EQ(tower_of("logit_scale"), Tower::shared);
  EXPECT_EQ(tower_of("log_beta"), Tower::shared);
}

TEST(LogitScaleBounds, AreThoseOfTheReferences) {
  const LogitScaleBounds open_clip = logit_scale_bounds(1, 100, Reference::open_clip);
  EXPECT_EQ(open_clip.low, 0.0);
  EXPECT_EQ(open_clip.high, std::log(100.0));
  const LogitScaleBounds cloob = logit_scale_bounds(1, 100, Reference::cloob);
  EXPECT_EQ(cloob.low, 0.0);
  EXPECT_EQ(cloob.high, 4.6052);
}

TEST(ClampLogitScale, MovesALearnedScaleIntoItsBounds) {
  const at::Tensor scale = at::full({}, 5.0).requires_grad_();
  clamp_logit_scale(scale, {.low = 0, .high = 4.5});
  EXPECT_EQ(scale.item<float>(), 4.5F);
  clamp_logit_scale(scale, {.low = 4.75, .high = 5});
  EXPECT_EQ(scale.item<float>(), 4.75F);
  EXPECT_TRUE(scale.requires_grad() && scale.is_leaf());
}

}  // namespace
}  // namespace cloob
