#include "cloob/config/source.h"

#include <gmock/gmock.h>

#include "cloob/base/files.h"
#include "support/support.h"
#include "unit/config/example_config.h"

namespace cloob::testing {
namespace {

using ::testing::ElementsAre;

class Include : public ::testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& text) const {
    make_directories((folder_ / name).parent_path());
    write_file_atomically(folder_ / name, text);
    return folder_ / name;
  }
  ExampleConfig read(const std::string& path, Origins& origins) const {
    return read_config<ExampleConfig>(ConfigSource::from_file(path), origins);
  }
  // The message without the temporary folder.
  std::string error(const std::string& path) const {
    std::string message = error_of([&] { read_config<ExampleConfig>(ConfigSource::from_file(path)); });
    const std::string prefix = folder_.path().string() + "/";
    for (std::size_t at = message.find(prefix); at != std::string::npos; at = message.find(prefix)) {
      message.erase(at, prefix.size());
    }
    return message;
  }

  TempDir folder_;
  Origins origins_;
};

TEST_F(Include, IsOverriddenByTheFileAndFoundRelativeToIt) {
  const std::string base =
      write("model/base.yaml", "optimizer: {lr: 0.1, warmup_steps: 7}\ndata: {shards: [a, b]}\n");
  const std::string run =
      write("run/run.yaml", "include: ../model/base.yaml\noptimizer:\n  lr: 0.2\ndata: {shards: c}\n");
  const ExampleConfig config = read(run, origins_);
  EXPECT_EQ(config.optimizer.lr, 0.2);
  EXPECT_EQ(config.optimizer.warmup_steps, 7);
  EXPECT_THAT(config.data.shards, ElementsAre("c"));
  EXPECT_EQ(origins_, (Origins{{"optimizer.lr", run + ":3:7"},
                               {"optimizer.warmup_steps", base + ":1:36"},
                               {"data.shards", run + ":4:16"}}));
}

TEST_F(Include, LetsLaterFilesOverrideEarlierOnes) {
  write("a.yaml", "optimizer: {lr: 0.1, weight_decay: 1}\n");
  write("b.yaml", "optimizer: {lr: 0.2}\n");
  const ExampleConfig config =
      read(write("run.yaml", "image:\n  size: 1\ninclude:\n- a.yaml\n- b.yaml\n"), origins_);
  EXPECT_EQ(config.optimizer.lr, 0.2);
  EXPECT_EQ(config.optimizer.weight_decay, 1);
  EXPECT_EQ(config.image.size, 1);
}

TEST_F(Include, IsNotChangedByAnEmptySection) {
  write("a.yaml", "optimizer: {lr: 0.1}\n");
  EXPECT_EQ(read(write("run.yaml", "include: [a.yaml]\noptimizer:\n"), origins_).optimizer.lr, 0.1);
  EXPECT_EQ(read(write("none.yaml", "include:\nimage: {size: 5}\n"), origins_).image.size, 5);
}

TEST_F(Include, MayIncludeOthers) {
  write("base.yaml", "optimizer: {lr: 0.1, weight_decay: 1}\nimage: {size: 1}\n");
  write("recipe.yaml", "include: base.yaml\noptimizer: {lr: 0.2}\nimage: {size: 2}\n");
  write("other.yaml", "include: [base.yaml]\n");
  const ExampleConfig config =
      read(write("run.yaml", "include: [recipe.yaml]\nimage: {size: 3}\n"), origins_);
  EXPECT_EQ(config.optimizer.weight_decay, 1);
  EXPECT_EQ(config.optimizer.lr, 0.2);
  EXPECT_EQ(config.image.size, 3);
  EXPECT_TRUE(origins_.at("optimizer.lr").ends_with("recipe.yaml:2:17"));
  // A file that is included twice counts where it stands last.
  EXPECT_EQ(read(write("twice.yaml", "include: [recipe.yaml, other.yaml]\n"), origins_).optimizer.lr, 0.1);
}

TEST_F(Include, RejectsCycles) {
  write("a.yaml", "include: run.yaml\n");
  EXPECT_EQ(error(write("run.yaml", "include: a.yaml\n")),
            "a.yaml:1:10: the files include each other: run.yaml -> a.yaml -> run.yaml");
  EXPECT_EQ(error(write("self.yaml", "include: [./self.yaml]\n")),
            "self.yaml:1:11: the files include each other: self.yaml -> self.yaml");
}

TEST_F(Include, NamesTheLocationOfABadPath) {
  EXPECT_EQ(error(write("run.yaml", "include: nowhere.yaml\n")),
            "run.yaml:1:10: cannot open 'nowhere.yaml': No such file or directory");
  EXPECT_EQ(error(write("list.yaml", "include: [[a]]\n")),
            "list.yaml:1:11: include must be a path or a list of paths");
  EXPECT_EQ(error(write("map.yaml", "include: {a: b}\n")),
            "map.yaml:1:10: include must be a path or a list of paths");
}

TEST_F(Include, ReportsErrorsInTheIncludedFile) {
  write("a.yaml", "optimizer: {lr: 3}\n");
  EXPECT_EQ(error(write("run.yaml", "include: a.yaml\n")),
            "a.yaml:1:17: optimizer.lr is 3, must be in [0, 1] (Peak learning rate, reached after warm-up.)");
  write("b.yaml", "optimizer: {lr: 0.9}\n");
  EXPECT_EQ(error(write("run.yaml", "include: b.yaml\noptimizer: {weight_decay: 0}\n")),
            "b.yaml:1:17: optimizer.lr above 0.5 needs optimizer.grad_clip_norm");
}

TEST_F(Include, IsNotASetting) {
  EXPECT_EQ(
      error(write("run.yaml", "optimizer: {include: a.yaml}\n")),
      "run.yaml:1:13: unknown setting 'optimizer.include', 'optimizer' has lr, weight_decay, warmup_steps, "
      "grad_clip_norm");
}

TEST(ConfigSource, NamesTheFileThatCannotBeRead) {
  const TempDir folder;
  const std::string missing = folder / "x.yaml";
  expect_user_error([&] { ConfigSource::from_file(folder.path()); },
                    {folder.path().string(), "Is a directory"});
  expect_user_error([&] { ConfigSource::from_file(missing); }, {missing, "No such file or directory"});
}

TEST(ConfigSource, NamesTheLocationOfTooDeepNesting) {
  EXPECT_THAT(error_of([] { read_text("data: " + std::string(3000, '[')); }),
              ::testing::AllOf(::testing::StartsWith("run.yaml:1:"),
                               ::testing::HasSubstr("nested more than 32 levels deep")));
}

struct Mistake {
  const char* text;
  const char* message;
};

class BadYaml : public ::testing::TestWithParam<Mistake> {};

TEST_P(BadYaml, GivesOneLineWithLocationAndReason) {
  EXPECT_EQ(error_of([&] { read_text(GetParam().text); }), GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    Source, BadYaml,
    ::testing::Values(
        Mistake{"- a\n- b\n", "run.yaml:1:1: the file must contain settings ('name: value'), found a list"},
        Mistake{"\nhello\n", "run.yaml:2:1: the file must contain settings ('name: value'), found text"},
        Mistake{"loss: info_nce\n---\nloss: info_nce\n",
                "run.yaml:2:1: a second document begins here, only one is allowed"},
        Mistake{"optimizer:\n\tlr: 1\n", "run.yaml:2:4: indented with a tab: use spaces"},
        Mistake{"optimizer:\n  lr: 0.1\n\tweight_decay: 2\n",
                "run.yaml:3:1: indented with a tab: use spaces"},
        Mistake{"data: {train: a\n", "run.yaml:2:1: a '{' is not closed with '}'"},
        Mistake{"data:\n  shards: [a, b\n  train: c\n", "run.yaml:3:8: a list is not closed with ']'"},
        Mistake{"data:\n  train: a: b\n",
                "run.yaml:2:11: unexpected ':': check the indentation, or quote text that contains ': '"},
        Mistake{"data:\n  train: 'a' b\n",
                "run.yaml:2:14: this line does not belong to the settings above it: check the indentation"},
        Mistake{"data:\n  train: @a\n",
                "run.yaml:2:10: a value cannot begin with this character: quote the text"},
        Mistake{"loss: info_nce\n]\n", "run.yaml:2:1: unmatched ']' or '}'"},
        Mistake{"data: {train: \"\\q\"}", "run.yaml:1:18: unknown escape character: q"},
        Mistake{"data:\n  train: \"a\\\"\n",
                "run.yaml:2:10: the text that begins here is not closed with \""},
        Mistake{"data:\n  train: 'a''\n", "run.yaml:2:10: the text that begins here is not closed with '"},
        Mistake{"loss: &x info_nce\n",
                "run.yaml:1:7: anchors (&name) are not supported, write the value out where it is needed"},
        Mistake{"loss: *x\n",
                "run.yaml:1:7: aliases (*name) are not supported: write the value out, or quote the text"},
        Mistake{"data: {train: !!str 5}",
                "run.yaml:1:15: tags (!name) are not supported; quote text that looks like a number"},
        Mistake{"data: {train: ! 5}",
                "run.yaml:1:15: tags (!name) are not supported; quote text that looks like a number"},
        Mistake{"data:\n  train: caf\xe9\n",
                "run.yaml:2:13: the file is not valid UTF-8 here, save it as UTF-8"},
        Mistake{"data:\n  train: a\x04\n", "run.yaml:2:11: a control character, which YAML does not allow"}));

TEST_F(Include, OfOneSectionCanBeReplaced) {
  write("small.yaml", "image: {size: 1}\n");
  write("base.yaml", "include: small.yaml\noptimizer: {lr: 0.1}\nimage: {crop: {antialias: false}}\n");
  const std::string run = write("run.yaml", "include: base.yaml\ndata: {train: a}\n");
  const std::string large = write("large.yaml", "image: {size: 9, crop: {antialias: true}}\n");
  const auto config = read_config<ExampleConfig>(ConfigSource::from_file_with(run, "image", large), origins_);
  EXPECT_EQ(config.image.size, 9);
  EXPECT_FALSE(config.image.crop.antialias) << "set by a file that sets more than that section";
  EXPECT_EQ(config.optimizer.lr, 0.1);
  EXPECT_EQ(config.data.train, "a");
  EXPECT_EQ(origins_.at("image.size"), large + ":1:15");
}

TEST_F(Include, ThatIsReplacedNeedNotExist) {
  const std::string large = write("large.yaml", "image: {size: 9}\n");
  const auto read_with = [&](const char* text) {
    return read_config<ExampleConfig>(ConfigSource::from_file_with(write("run.yaml", text), "image", large));
  };
  EXPECT_EQ(read_with("include: missing.yaml\ndata: {train: a}\n").image.size, 9);
  write("small.yaml", "image: {size: 1}\n");
  EXPECT_THAT(error_of([&] { read_with("include: [small.yaml, missing.yaml]\n"); }),
              ::testing::HasSubstr("missing.yaml': No such file"));
  EXPECT_THAT(error_of([&] { read_with("include: [missing.yaml, other.yaml]\n"); }),
              ::testing::HasSubstr("other.yaml': No such file"));
}

TEST_F(Include, NamesTheProgramsOwnFile) {
  EXPECT_THAT(
      error(write("run.yaml", "include: ../model/RN50.yaml\n")),
      ::testing::MatchesRegex(
          ".*model/RN50.yaml': No such file or directory; the program has .*configs/model/RN50.yaml"));
}

TEST_F(Include, OfTheSameFilesAgainAndAgainIsLimited) {
  write("0.yaml", "image: {size: 1}\n");
  for (int i = 1; i <= 40; ++i) {
    const std::string before = std::to_string(i - 1) + ".yaml";
    write(std::to_string(i) + ".yaml", "include: [" + before + ", " + before + "]\n");
  }
  EXPECT_THAT(error(write("run.yaml", "include: 40.yaml\n")),
              ::testing::HasSubstr("more than 1000 files are included"));
}

TEST_F(Include, ReadsOnlyFilesThatCanBeSettings) {
  EXPECT_EQ(error_of([&] { read("/dev/zero", origins_); }),
            "'/dev/zero' is a device or a pipe, expected a file of settings");
  EXPECT_EQ(error(write("run.yaml", "include: /dev/zero\n")),
            "run.yaml:1:10: '/dev/zero' is a device or a pipe, expected a file of settings");
  const std::string big = write("big.yaml", std::string((1 << 20) + 1, '#'));
  EXPECT_THAT(error(big), ::testing::HasSubstr("more than the 1.0 MiB that a file of settings may have"));
}

}  // namespace
}  // namespace cloob::testing
