#include "cloob/model/model_config.h"

#include <fmt/core.h>

#include "support/support.h"

namespace cloob {
namespace {

ModelConfig vit() {
  ModelConfig config;
  config.image = {.kind = ImageEncoderKind::vit,
                  .image_size = 224,
                  .layers = {12},
                  .width = 768,
                  .patch_size = 32,
                  .head_width = 64};
  return config;
}

TEST(ModelConfig, AcceptsDefaultsAndVisionTransformers) {
  ModelConfig().validate();
  vit().validate();
  EXPECT_EQ(ModelConfig().image.grid_size(), 7);
  EXPECT_EQ(ModelConfig().image.heads(), 32);
  EXPECT_EQ(vit().image.grid_size(), 7);
  EXPECT_EQ(vit().image.heads(), 12);
}

void expect_invalid(ModelConfig config, void (*change)(ModelConfig&),
                    std::initializer_list<std::string> parts) {
  change(config);
  testing::expect_user_error([&] { config.validate(); }, parts);
}

TEST(ModelConfig, RejectsInvalidResnets) {
  expect_invalid({}, [](ModelConfig& c) { c.image.layers = {12}; },
                 {"model.image.layers has 1 numbers", "needs 4"});
  expect_invalid({}, [](ModelConfig& c) { c.image.image_size = 225; },
                 {"model.image.image_size is 225", "32"});
  expect_invalid({}, [](ModelConfig& c) { c.image.width = 63; },
                 {"model.image.width is 63", "multiple of 2"});
  expect_invalid({}, [](ModelConfig& c) { c.image.patch_size = 16; },
                 {"model.image.patch_size", "remove it"});
  expect_invalid({}, [](ModelConfig& c) { c.image.head_width = 60; }, {"head_width", "multiple of 60"});
}

TEST(ModelConfig, RejectsSettingsOfVisionTransformersForResnets) {
  const auto expect_not_for_resnets = [](const char* name, void (*change)(ModelConfig&)) {
    expect_invalid({}, change, {fmt::format("model.image.{} does not apply to kind 'resnet'", name)});
    ModelConfig config = vit();
    change(config);
    EXPECT_NO_THROW(config.validate());
  };
  expect_not_for_resnets("norm_before_blocks", [](ModelConfig& c) { c.image.norm_before_blocks = false; });
  expect_not_for_resnets("patch_bias", [](ModelConfig& c) { c.image.patch_bias = true; });
  expect_not_for_resnets("norm_eps", [](ModelConfig& c) { c.image.norm_eps = 1e-6; });
  expect_not_for_resnets("activation", [](ModelConfig& c) { c.image.activation = Activation::gelu; });
}

TEST(ModelConfig, RejectsInvalidVisionTransformers) {
  expect_invalid(vit(), [](ModelConfig& c) { c.image.layers = {3, 4, 6, 3}; },
                 {"model.image.layers has 4 numbers"});
  expect_invalid(vit(), [](ModelConfig& c) { c.image.patch_size.reset(); },
                 {"model.image.patch_size is missing"});
  expect_invalid(vit(), [](ModelConfig& c) { c.image.patch_size = 15; },
                 {"model.image.image_size is 224", "15"});
  expect_invalid(vit(), [](ModelConfig& c) { c.image.head_width = 100; },
                 {"model.image.width is 768", "100"});
}

TEST(ModelConfig, RejectsATextWidthNotDivisibleByHeads) {
  expect_invalid({}, [](ModelConfig& c) { c.text.heads = 7; },
                 {"model.text.width is 512", "multiple of 7 (model.text.heads)"});
}

}  // namespace
}  // namespace cloob
