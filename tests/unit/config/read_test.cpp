#include <gmock/gmock.h>

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "support/support.h"
#include "unit/config/example_config.h"

namespace cloob::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(ReadConfig, KeepsDefaultsWhenNothingIsSet) {
  for (const char* text :
       {"", "# nothing\n", "~", "{}", "optimizer:\n", "optimizer:\nimage:\n  crop: ~\ndata: {}\n"}) {
    EXPECT_EQ(read_text(text), ExampleConfig{}) << text;
  }
}

TEST(ReadConfig, ReadsEveryType) {
  const ExampleConfig config = read_text(
      "loss: info_nce\n"
      "optimizer: {lr: 1e-3, weight_decay: .inf, warmup_steps: 2e3, grad_clip_norm: 1}\n"
      "image:\n"
      "  size: -3\n"
      "  crop:\n"
      "    antialias: false\n"
      "    scale: [0.5, 1.0]\n"
      "data:\n"
      "  train: \"007\"\n"
      "  shards:\n"
      "  - a-{00..12}.tar\n"
      "  - 'it''s # b.tar'\n"
      "  root: /data\n"
      "  kinds: [info_loob, \"info_nce\"]\n"
      "  flags: [true, false]\n"
      "  shuffle: false\n");
  EXPECT_EQ(config.loss, LossKind::info_nce);
  EXPECT_EQ(config.optimizer.lr, 1e-3);
  EXPECT_TRUE(std::isinf(config.optimizer.weight_decay));
  EXPECT_EQ(config.optimizer.warmup_steps, 2000);
  EXPECT_EQ(config.optimizer.grad_clip_norm, 1.0);
  EXPECT_EQ(config.image.size, -3);
  EXPECT_FALSE(config.image.crop.antialias);
  EXPECT_THAT(config.image.crop.scale, ElementsAre(0.5, 1.0));
  EXPECT_EQ(config.data.train, "007");
  EXPECT_THAT(config.data.shards, ElementsAre("a-{00..12}.tar", "it's # b.tar"));
  EXPECT_EQ(config.data.root, "/data");
  EXPECT_THAT(config.data.kinds, ElementsAre(LossKind::info_loob, LossKind::info_nce));
  EXPECT_THAT(config.data.flags, ElementsAre(true, false));
  EXPECT_EQ(config.data.shuffle, false);
}

TEST(ReadConfig, ReadsAnUnquotedNumberLiterallyAsText) {
  EXPECT_EQ(read_text("data: {train: 007}").data.train, "007");
  EXPECT_EQ(read_text("data: {train: true}").data.train, "true");
}

TEST(ReadConfig, AcceptsAScalarAsAListOfOneElement) {
  EXPECT_THAT(read_text("data: {shards: a.tar}").data.shards, ElementsAre("a.tar"));
  EXPECT_THAT(read_text("data: {shards: []}").data.shards, IsEmpty());
}

TEST(ReadConfig, KeepsUtf8AndBlockText) {
  EXPECT_EQ(read_text("\xef\xbb\xbf"
                      "data:\r\n  train: caf\xc3\xa9\r\n")
                .data.train,
            "caf\xc3\xa9");
  EXPECT_EQ(read_text("data:\n  train: |\n    a\n    b\n").data.train, "a\nb\n");
}

struct Mistake {
  const char* text;
  const char* message;
};

class BadFile : public ::testing::TestWithParam<Mistake> {};

TEST_P(BadFile, GivesOneLineWithLocationAndReason) {
  EXPECT_EQ(error_of([&] { read_text(GetParam().text); }), GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    Names, BadFile,
    ::testing::Values(
        Mistake{
            "optimizer:\n  warmup_step: 3\n",
            "run.yaml:2:3: unknown setting 'optimizer.warmup_step', did you mean 'optimizer.warmup_steps'?"},
        Mistake{"optimiser:\n  lr: 3\n",
                "run.yaml:1:1: unknown setting 'optimiser', did you mean 'optimizer'?"},
        Mistake{"optimizer:\n  momentum: 3\n",
                "run.yaml:2:3: unknown setting 'optimizer.momentum', 'optimizer' has lr, weight_decay, "
                "warmup_steps, grad_clip_norm"},
        Mistake{"zzzzzzz: 3\n",
                "run.yaml:1:1: unknown setting 'zzzzzzz', the top level has loss, optimizer, image, data"},
        Mistake{"image:\n  antialias: true\n",
                "run.yaml:2:3: unknown setting 'image.antialias', did you mean 'image.crop.antialias'?"},
        Mistake{"optimizer.lr: 1\n",
                "run.yaml:1:1: the dotted name 'optimizer.lr' is for the command line only, in a file "
                "sections are nested: write 'optimizer:' and the rest below it, indented"},
        Mistake{"data:\n  train: a\n  root: b\n  train: c\n",
                "run.yaml:4:3: 'train' is set twice, first at run.yaml:2:3"},
        Mistake{"image: {crop: {scale: 1, scale: 1}}",
                "run.yaml:1:26: 'scale' is set twice, first at run.yaml:1:16"},
        Mistake{"data:\nloss: info_nce\ndata:\n", "run.yaml:3:1: 'data' is set twice, first at run.yaml:1:1"},
        Mistake{"? [a, b]\n: 3\n", "run.yaml:1:3: the name of a setting must be a word"},
        Mistake{": 3\n", "run.yaml:1:1: the name of a setting must be a word"}));

INSTANTIATE_TEST_SUITE_P(
    Values, BadFile,
    ::testing::Values(
        Mistake{"optimizer:\n  lr: 3\n",
                "run.yaml:2:7: optimizer.lr is 3, must be in [0, 1] (Peak learning rate, reached after "
                "warm-up.)"},
        Mistake{"optimizer: {grad_clip_norm: -1}",
                "run.yaml:1:29: optimizer.grad_clip_norm is -1, must be at least 0 (Maximum norm; null: no "
                "clipping.)"},
        Mistake{"image: {size: 2000000000}",
                "run.yaml:1:15: image.size is 2000000000, must be at most 1e9 (Side in pixels.)"},
        Mistake{
            "image:\n  crop:\n    scale: [0.5, 1.5]\n",
            "run.yaml:3:18: image.crop.scale[1] is 1.5, must be in [0, 1] (Fraction of the area, lowest and "
            "highest.)"},
        Mistake{
            "loss: infoloob\n",
            "run.yaml:1:7: loss is 'infoloob', must be one of info_nce|info_loob, did you mean 'info_loob'?"},
        Mistake{"loss: x\n", "run.yaml:1:7: loss is 'x', must be one of info_nce|info_loob"},
        Mistake{"loss:\n",
                "run.yaml:1:1: loss has no value, must be one of info_nce|info_loob (The loss to minimize.)"},
        Mistake{"data: {kinds: [info_nce, 3]}",
                "run.yaml:1:26: data.kinds[1] is 3, must be one of info_nce|info_loob"},
        Mistake{"optimizer: {lr: fast}",
                "run.yaml:1:17: optimizer.lr is 'fast', must be a number in [0, 1] (Peak learning rate, "
                "reached after warm-up.)"},
        Mistake{
            "optimizer: {weight_decay: '3'}",
            "run.yaml:1:27: optimizer.weight_decay is the quoted text '3', must be a number (Decay of weight "
            "matrices.)"},
        Mistake{
            "optimizer: {weight_decay: nan}",
            "run.yaml:1:27: optimizer.weight_decay is 'nan', must be a number (Decay of weight matrices.)"},
        Mistake{"optimizer: {weight_decay: \"a\\nb\"}",
                "run.yaml:1:27: optimizer.weight_decay is \"a\\nb\", must be a number (Decay of weight "
                "matrices.)"},
        Mistake{
            "optimizer: {weight_decay: [1]}",
            "run.yaml:1:27: optimizer.weight_decay is a list, must be a number (Decay of weight matrices.)"},
        Mistake{
            "optimizer: {warmup_steps: 1.5}",
            "run.yaml:1:27: optimizer.warmup_steps is 1.5, must be a whole number in [0, 1000000] (Steps of "
            "warm-up.)"},
        Mistake{"optimizer: {warmup_steps: 1_000}",
                "run.yaml:1:27: optimizer.warmup_steps is '1_000', must be a whole number in [0, 1000000] "
                "(Steps of warm-up.)"},
        Mistake{"optimizer: {grad_clip_norm: {a: 1}}",
                "run.yaml:1:29: optimizer.grad_clip_norm is a map, must be a number at least 0 or null "
                "(Maximum norm; null: no clipping.)"},
        Mistake{"image: {crop: {antialias: yes}}",
                "run.yaml:1:27: image.crop.antialias is 'yes', must be true or false (Whether to filter when "
                "shrinking (a|b).)"},
        Mistake{"image: {crop: {scale: }}",
                "run.yaml:1:16: image.crop.scale has no value, must be a list, each element a number in [0, "
                "1] (Fraction of the area, lowest and highest.)"},
        Mistake{"data:\n  train:\n", "run.yaml:2:3: data.train has no value, must be text (Training pairs.)"},
        Mistake{"data: {shards: {a: 1}}",
                "run.yaml:1:16: data.shards is a map, must be a list, each element text (Tar files.)"},
        Mistake{"image: {crop: 3}",
                "run.yaml:1:15: image.crop is 3, must be a section of settings (scale, antialias)"},
        Mistake{"image: []", "run.yaml:1:8: image is a list, must be a section of settings (crop, size)"}));

INSTANTIATE_TEST_SUITE_P(
    Rules, BadFile,
    ::testing::Values(Mistake{"optimizer: {lr: 0.9}",
                              "run.yaml:1:17: optimizer.lr above 0.5 needs optimizer.grad_clip_norm"},
                      // The first setting that the message names is left at its default.
                      Mistake{"data: {train: none}",
                              "run.yaml:1:15: optimizer.warmup_steps has no meaning without data.train"},
                      Mistake{"data: {train: none}\noptimizer: {warmup_steps: 5}\n",
                              "run.yaml:2:27: optimizer.warmup_steps has no meaning without data.train "
                              "(data.train is set at run.yaml:1:15)"},
                      // The message names no setting.
                      Mistake{"image:\n  crop:\n    antialias: true\n    scale: [1, 0.5]\n",
                              "run.yaml:3:5: the smaller fraction comes first"}));

TEST(Origins, NameTheLastLocationThatSetAValue) {
  ConfigSource source =
      ConfigSource::from_text("loss: info_nce\noptimizer:\n  lr: 0.1\n  grad_clip_norm:\n", "run.yaml");
  source.add_overrides({{"optimizer.lr", "0.2"}, {"image.size", "64"}});
  Origins origins = {{"left.over", "from before"}};
  const auto config = read_config<ExampleConfig>(source, origins);
  EXPECT_EQ(config.optimizer.lr, 0.2);
  EXPECT_EQ(origins, (Origins{{"loss", "run.yaml:1:7"},
                              {"optimizer.lr", "command line"},
                              {"optimizer.grad_clip_norm", "run.yaml:4:3"},
                              {"image.size", "command line"}}));
}

TEST(ReadConfig, ShowsSeveralMistakesAtOnce) {
  EXPECT_EQ(
      error_of([] { read_text("optimizer:\n  lr: fast\n  warmup_step: 3\nimage: {size: x}\n"); }),
      "run.yaml:2:7: optimizer.lr is 'fast', must be a number in [0, 1] (Peak learning rate, reached after "
      "warm-up.)\n"
      "run.yaml:3:3: unknown setting 'optimizer.warmup_step', did you mean 'optimizer.warmup_steps'?\n"
      "run.yaml:4:15: image.size is 'x', must be a whole number at most 1e9 (Side in pixels.)");
}

TEST(ReadConfig, ShowsAtMostTenMistakes) {
  std::string text;
  for (int i = 0; i < 50; ++i) text += fmt::format("zzzzzzz{}: 1\n", i);
  const std::string message = error_of([&] { read_text(text); });
  EXPECT_EQ(std::count(message.begin(), message.end(), '\n'), 10);
  EXPECT_THAT(message, ::testing::EndsWith("these are the first 10, there may be more"));
}

TEST(ReadConfig, ShowsOnlyKeysThatLookLikeNames) {
  const std::string message = error_of([&] { read_text("root:*:19000:secret::\n"); });
  EXPECT_THAT(message, ::testing::StartsWith(
                           "run.yaml:1:1: this key is not the name of a setting, the top level has"));
  EXPECT_THAT(message, ::testing::Not(::testing::HasSubstr("secret")));
}

TEST(ReadConfig, LimitsTheDepthOfAFile) {
  const std::string deepest(32, '['), too_deep(33, '[');
  EXPECT_THAT(error_of([&] { read_text("data: {shards: " + too_deep); }),
              ::testing::HasSubstr("nested more than 32 levels deep"));
  EXPECT_THAT(error_of([&] { read_text(deepest + std::string(32, ']')); }),
              ::testing::HasSubstr("found a list"));
}

}  // namespace
}  // namespace cloob::testing
