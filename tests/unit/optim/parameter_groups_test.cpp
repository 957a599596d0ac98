#include "cloob/optim/parameter_groups.h"

#include <ATen/ATen.h>

#include <cmath>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cloob/optim/logit_scale.h"
#include "support/support.h"

namespace cloob {
namespace {

using ::testing::ElementsAre;

TEST(HasWeightDecay, FollowsEachReference) {
  struct Row {
    std::string_view name;
    std::size_t num_dimensions;
    bool open_clip, cloob;
    bool is_exempt = false;
    bool is_head = false;
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
      {"log_beta", 0, false, false, /*is_exempt=*/true},
      {"protoclip.image_head.0.weight", 2, true, true, false, /*is_head=*/true},
      {"protoclip.image_head.0.bias", 1, false, false, false, /*is_head=*/true},
  };
  for (const Row& row : kRows) {
    const TrainedParameter parameter{.tensor = at::ones(std::vector<std::int64_t>(row.num_dimensions, 1)),
                                     .is_exempt_from_decay = row.is_exempt,
                                     .is_projection_head = row.is_head};
    EXPECT_EQ(has_weight_decay(row.name, parameter, Reference::open_clip), row.open_clip) << row.name;
    EXPECT_EQ(has_weight_decay(row.name, parameter, Reference::cloob), row.cloob) << row.name;
    EXPECT_EQ(has_weight_decay(row.name, parameter, Reference::protoclip), row.open_clip && !row.is_head)
        << row.name;
  }
}

TEST(GroupParameters, IgnoresFrozenOnes) {
  const TrainedParameters parameters{
      {"logit_scale", {at::ones({})}},
      {"text_projection", {at::ones({2, 2}).requires_grad_(), Tower::text}},
      {"visual.bn1.weight", {at::ones({2}).requires_grad_(), Tower::image, 0}}};
  const auto groups = group_parameters(parameters, {.weight_decay = 0.3}, Reference::cloob);
  ASSERT_EQ(groups.size(), 2U);
  EXPECT_EQ(groups[0].weight_decay, 0.0);
  EXPECT_THAT(groups[0].names, ElementsAre("visual.bn1.weight"));
  EXPECT_EQ(groups[1].weight_decay, 0.3);
  EXPECT_THAT(groups[1].names, ElementsAre("text_projection"));
  EXPECT_EQ(groups[0].lr_scale, 1.0);
}

// lr_scale by name.
std::map<std::string, double> lr_scales(const TrainedParameters& parameters, const OptimizerConfig& config) {
  std::map<std::string, double> scales;
  for (const ParameterGroup& group : group_parameters(parameters, config, Reference::open_clip)) {
    for (const std::string& name : group.names) scales.emplace(name, group.lr_scale);
  }
  return scales;
}

TrainedParameter trained(Tower tower, std::optional<std::int64_t> layer = std::nullopt) {
  return {at::ones({2, 2}).requires_grad_(), tower, layer};
}

TEST(GroupParameters, AssignsEveryLayerItsLearningRate) {
  OptimizerConfig config;
  config.lr = 1e-3;
  config.image = {.lr = 1e-4, .layer_decay = 0.5};
  config.text.layer_decay = 0.9;
  const auto scales = lr_scales({{"patches", trained(Tower::image, 0)},
                                 {"first block", trained(Tower::image, 1)},
                                 {"last block", trained(Tower::image, 11)},
                                 {"image projection", trained(Tower::image)},
                                 {"tokens", trained(Tower::text, 0)},
                                 {"text block", trained(Tower::text, 2)},
                                 {"text projection", trained(Tower::text)},
                                 {"temperature", trained(Tower::shared)}},
                                config);
  // 11 blocks: the projection is layer 12.
  EXPECT_DOUBLE_EQ(scales.at("image projection"), 0.1);
  EXPECT_DOUBLE_EQ(scales.at("last block"), 0.1 * 0.5);
  EXPECT_DOUBLE_EQ(scales.at("first block"), 0.1 * std::pow(0.5, 11));
  EXPECT_DOUBLE_EQ(scales.at("patches"), 0.1 * std::pow(0.5, 12));
  EXPECT_DOUBLE_EQ(scales.at("text projection"), 1);
  EXPECT_DOUBLE_EQ(scales.at("text block"), 0.9);
  EXPECT_DOUBLE_EQ(scales.at("tokens"), std::pow(0.9, 3));
  EXPECT_DOUBLE_EQ(scales.at("temperature"), 1);
}

TEST(GroupParameters, KeepsTheImageTowerApart) {
  const auto groups = group_parameters(
      {{"image", trained(Tower::image)}, {"text", trained(Tower::text)}, {"head", trained(Tower::shared)}},
      {}, Reference::open_clip);
  ASSERT_EQ(groups.size(), 2U);
  EXPECT_FALSE(groups[0].is_of_image_tower);
  EXPECT_THAT(groups[0].names, ElementsAre("head", "text"));
  EXPECT_THAT(groups[1].names, ElementsAre("image"));
}

TEST(LogitScaleBounds, MatchTheReferences) {
  const LogitScaleBounds open_clip = logit_scale_bounds(1, 100, Reference::open_clip);
  EXPECT_EQ(open_clip.low, 0.0);
  EXPECT_EQ(open_clip.high, std::log(100.0));
  const LogitScaleBounds cloob = logit_scale_bounds(1, 100, Reference::cloob);
  EXPECT_EQ(cloob.low, 0.0);
  EXPECT_EQ(cloob.high, 4.6052);
  EXPECT_EQ(logit_scale_bounds(1, 100, Reference::protoclip).high, std::log(100.0));
}

TEST(ClampLogitScale, ClampsALearnedScaleToItsBounds) {
  const at::Tensor scale = at::full({}, 5.0).requires_grad_();
  clamp_logit_scale(scale, {.low = 0, .high = 4.5});
  EXPECT_EQ(scale.item<float>(), 4.5F);
  clamp_logit_scale(scale, {.low = 4.75, .high = 5});
  EXPECT_EQ(scale.item<float>(), 4.75F);
  EXPECT_TRUE(scale.requires_grad() && scale.is_leaf());
}

}  // namespace
}  // namespace cloob
