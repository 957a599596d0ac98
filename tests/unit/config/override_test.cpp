#include <gmock/gmock.h>

#include <filesystem>

#include "support/support.h"
#include "unit/config/example_config.h"

namespace cloob::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Overrides, OverrideTheFileAndEarlierOverrides) {
  const ExampleConfig config = read_text("optimizer: {lr: 0.1, weight_decay: 0.2}\n",
                                         {"--optimizer.lr", "0.3", "--loss=info_nce", "--optimizer.lr=0.4"});
  EXPECT_EQ(config.optimizer.lr, 0.4);
  EXPECT_EQ(config.optimizer.weight_decay, 0.2);
  EXPECT_EQ(config.loss, LossKind::info_nce);
}

TEST(Overrides, AcceptListsWithOrWithoutBrackets) {
  for (const char* list : {"[0.1, 0.2]", "0.1,0.2", " 0.1 , 0.2 "}) {
    EXPECT_THAT(read_text("", {"--image.crop.scale", list}).image.crop.scale, ElementsAre(0.1, 0.2)) << list;
  }
  EXPECT_THAT(read_text("", {"--image.crop.scale=0.5"}).image.crop.scale, ElementsAre(0.5));
  EXPECT_THAT(read_text("", {"--image.crop.scale=[]"}).image.crop.scale, IsEmpty());
  EXPECT_THAT(read_text("", {"--image.crop.scale="}).image.crop.scale, IsEmpty());
}

TEST(Overrides, DoNotSplitInsideBraces) {
  EXPECT_THAT(read_text("", {"--data.shards", "{00..12}.tar,b-{x,{y,z}}.tar"}).data.shards,
              ElementsAre("{00..12}.tar", "b-{x,{y,z}}.tar"));
  EXPECT_THAT(read_text("", {"--data.shards", "['a,b', c]"}).data.shards, ElementsAre("a,b", "c"));
}

TEST(Overrides, KeepBlanksOfASingleName) {
  EXPECT_THAT(read_text("", {"--data.shards", " title"}).data.shards, ElementsAre(" title"));
  EXPECT_THAT(read_text("", {"--data.shards", "a, b"}).data.shards, ElementsAre("a", "b"));
  EXPECT_THAT(read_text("", {"--data.shards", "[' a', b]"}).data.shards, ElementsAre(" a", "b"));
}

TEST(Overrides, DoNotSplitTheNameOfAnExistingFile) {
  const TempDir folder;
  const std::string path = folder / "my data, v2";
  EXPECT_THAT(read_text("", {"--data.shards", path}).data.shards, ::testing::SizeIs(2));
  std::filesystem::create_directory(path);
  EXPECT_THAT(read_text("", {"--data.shards", path}).data.shards, ElementsAre(path));
}

TEST(Overrides, NameTheQuotesThatAPatternNeeds) {
  const TempDir folder;
  const std::string second = folder / "b.tar";
  std::filesystem::create_directory(second);
  EXPECT_THAT(error_of([&] { read_text("", {"--data.shards", "a.tar", second}); }),
              ::testing::HasSubstr(
                  "b.tar', settings are given as --section.key VALUE; put patterns such as '*.tar' in"));
}

TEST(Overrides, TakeTextLiterally) {
  for (const char* text : {"{a: [", "# no comment", "null", "a: b", "'quoted'", "", "-1"}) {
    EXPECT_EQ(read_text("", {"--data.train", text}).data.train, text);
  }
}

TEST(Overrides, UnsetOptionalsWithNull) {
  EXPECT_EQ(read_text("data: {root: /a}", {"--data.root", "null"}).data.root, std::nullopt);
  EXPECT_EQ(
      read_text("optimizer: {grad_clip_norm: 1}", {"--optimizer.grad_clip_norm=~"}).optimizer.grad_clip_norm,
      std::nullopt);
  EXPECT_EQ(read_text("data: {root: /a}", {"--data.root="}).data.root, "");
}

TEST(Overrides, AreTheFirstOriginOfABrokenConstraint) {
  EXPECT_EQ(
      error_of([] { read_text("optimizer: {warmup_steps: 5}", {"--data.train", "none"}); }),
      "command line: optimizer.warmup_steps has no meaning without data.train (optimizer.warmup_steps is set "
      "at run.yaml:1:27)");
  EXPECT_EQ(error_of([] { read_text("optimizer: {grad_clip_norm: null}", {"--optimizer.lr", "0.9"}); }),
            "command line: optimizer.lr above 0.5 needs optimizer.grad_clip_norm");
}

struct Mistake {
  std::vector<std::string> arguments;
  const char* message;
};

class BadOverride : public ::testing::TestWithParam<Mistake> {};

TEST_P(BadOverride, GivesOneLineWithTheReason) {
  EXPECT_EQ(error_of([&] { read_text("optimizer: {lr: 0.1}", GetParam().arguments); }), GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    Arguments, BadOverride,
    ::testing::Values(
        Mistake{{"optimizer.lr", "1"},
                "command line: unexpected 'optimizer.lr', settings are given as --section.key VALUE"},
        Mistake{{"-x"}, "command line: unexpected '-x', settings are given as --section.key VALUE"},
        Mistake{{"--"}, "command line: unexpected '--', settings are given as --section.key VALUE"},
        Mistake{{"--=1"}, "command line: unexpected '--=1', settings are given as --section.key VALUE"},
        Mistake{{"--loss", "info_nce", "x"},
                "command line: unexpected 'x', settings are given as --section.key VALUE"},
        Mistake{{"--loss"},
                "command line: --loss has no value, write --loss VALUE (or --loss=VALUE for a value that "
                "begins with --)"},
        Mistake{{"--loss", "--optimizer.lr", "1"},
                "command line: --loss has no value, write --loss VALUE (or --loss=VALUE for a value that "
                "begins with --)"},
        Mistake{{"--data.train", "caf\xe9"}, "command line: the value of --data.train is not valid UTF-8"}));

INSTANTIATE_TEST_SUITE_P(
    Names, BadOverride,
    ::testing::Values(
        Mistake{{"--optimizer", "3"},
                "command line: 'optimizer' is a section, set one of its settings: lr, weight_decay, "
                "warmup_steps, grad_clip_norm (--optimizer.lr VALUE)"},
        Mistake{{"--image.crop={}"},
                "command line: 'image.crop' is a section, set one of its settings: scale, antialias "
                "(--image.crop.scale VALUE)"},
        Mistake{
            {"--optimizer.warmup-steps", "3"},
            "command line: unknown setting 'optimizer.warmup-steps', did you mean 'optimizer.warmup_steps'?"},
        Mistake{{"--optimzer.lr", "3"},
                "command line: unknown setting 'optimzer.lr', did you mean 'optimizer.lr'?"},
        Mistake{{"--image.crob.scale", "3"},
                "command line: unknown setting 'image.crob.scale', did you mean 'image.crop.scale'?"},
        Mistake{{"--lr", "3"}, "command line: unknown setting 'lr', did you mean 'optimizer.lr'?"},
        Mistake{{"--image.crop.sharpness", "3"},
                "command line: unknown setting 'image.crop.sharpness', 'image.crop' has scale, antialias"},
        Mistake{
            {"--verbosity", "3"},
            "command line: unknown setting 'verbosity', the top level has loss, optimizer, image, data"}));

INSTANTIATE_TEST_SUITE_P(
    Values, BadOverride,
    ::testing::Values(
        Mistake{{"--optimizer.lr", "3"},
                "command line: optimizer.lr is 3, must be in [0, 1] (Peak learning rate, reached after "
                "warm-up.)"},
        Mistake{{"--optimizer.lr="},
                "command line: optimizer.lr has no value, must be a number in [0, 1] (Peak learning rate, "
                "reached after warm-up.)"},
        Mistake{{"--optimizer.lr", "[1]"},
                "command line: optimizer.lr is '[1]', must be a number in [0, 1] (Peak learning rate, "
                "reached after warm-up.)"},
        Mistake{{"--image.crop.scale", "1,2"},
                "command line: image.crop.scale[1] is 2, must be in [0, 1] (Fraction of the area, lowest and "
                "highest.)"},
        Mistake{{"--image.crop.scale", "[1, 2"},
                "command line: image.crop.scale is '[1, 2', which is not a list: write '[a, b]' or a,b"},
        Mistake{{"--loss", "infoloob"},
                "command line: loss is 'infoloob', must be one of info_nce|info_loob, did you mean "
                "'info_loob'?"}));

INSTANTIATE_TEST_SUITE_P(
    Rules, BadOverride,
    ::testing::Values(Mistake{{"--optimizer.lr", "0.9"},
                              "command line: optimizer.lr above 0.5 needs optimizer.grad_clip_norm"},
                      Mistake{{"--image.crop.scale", "1,0.5"},
                              "command line: the smaller fraction comes first"}));

}  // namespace
}  // namespace cloob::testing
