#include "cloob/optim/parameter_groups.h"

#include <ATen/ATen.h>

#include <cmath>

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
  const ParameterGroups groups = group_parameters(parameters, Reference::cloob);
  EXPECT_THAT(groups.decayed, ElementsAre("text_projection"));
  EXPECT_THAT(groups.undecayed, ElementsAre("visual.bn1.weight"));
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
