#include "cloob/eval/suite/suite_set.h"

#include <fmt/core.h>

#include <filesystem>
#include <string>
#include <vector>

#include "cloob/config/config.h"
#include "support/support.h"
#include "support/test_files.h"

namespace cloob {
namespace {

using testing::expect_user_error;
using testing::TempDir;
using testing::write_text;

// Nothing reads the images.
void write_classes(const std::filesystem::path& folder, int images_of_a, int images_of_b) {
  for (const auto& [name, count] : {std::pair("a", images_of_a), {"b", images_of_b}}) {
    for (int image = 0; image < count; ++image) write_text(folder / name / fmt::format("{}.png", image), "");
  }
}

SuiteSetConfig set_at(const std::string& path, const std::vector<SuiteTask>& tasks = {}) {
  SuiteSetConfig config;
  config.path = path;
  config.tasks = tasks;
  return config;
}

SuiteSetConfig split_of(const std::string& path, const std::string& split) {
  SuiteSetConfig config = set_at(path);
  config.split = split;
  return config;
}

SuiteSet open(const TempDir& root, const SuiteSetConfig& config, std::int64_t knn_k = 1,
              const std::vector<std::int64_t>& shots = {1}) {
  SuiteSettings eval;
  eval.root = root.path().string();
  eval.knn_k = knn_k;
  eval.shots = shots;
  return open_suite_set("x", config, eval, 1);
}

TEST(SuiteSet, OpensTheSplitThatIsAskedFor) {
  const TempDir root;
  write_classes(root / "plain", 1, 1);
  write_classes(root / "set/test", 1, 2);
  write_classes(root / "set/val", 3, 3);
  EXPECT_EQ(open(root, set_at("plain")).source().size(), 2);
  EXPECT_EQ(open(root, set_at("set")).source().size(), 3);
  EXPECT_EQ(open(root, split_of("set", "val")).source().size(), 6);
  EXPECT_EQ(open(root, split_of("set", "val")).test_path, (root / "set/val").string());
}

TEST(SuiteSet, RefusesASplitThatThereIsNot) {
  const TempDir root;
  write_classes(root / "plain", 1, 1);
  write_classes(root / "set/train", 1, 1);
  write_classes(root / "set/val", 1, 1);
  write_classes(root / "set/extra", 1, 1);
  expect_user_error([&] { open(root, split_of("plain", "vall")); },
                    {"sets.x.split: '", "has no split 'vall'", "leave sets.x.split out"});
  expect_user_error([&] { open(root, set_at("set")); },
                    {"sets.x.split: '", "has no split 'test'", "it has train, val"});
  SuiteSetConfig other_train = split_of("set", "val");
  other_train.tasks = {SuiteTask::knn};
  other_train.train_split = "trian";
  expect_user_error([&] { open(root, other_train); },
                    {"sets.x.train_split: '", "has no split 'trian'", "it has train, val"});
  write_text(root / "vehicles/train/a.png", "");
  write_text(root / "vehicles/truck/a.png", "");
  EXPECT_EQ(open(root, set_at("vehicles")).source().size(), 2) << "a class may be called as a split is";
}

TEST(SuiteSet, NeedsAsManyImagesToLearnFromAsItsTasksAskFor) {
  const TempDir root;
  write_classes(root / "set/test", 1, 1);
  write_classes(root / "set/train", 4, 2);
  const SuiteSetConfig few_shot = set_at("set", {SuiteTask::zero_shot, SuiteTask::few_shot});
  const SuiteSetConfig knn = set_at("set", {SuiteTask::zero_shot, SuiteTask::knn});
  expect_user_error([&] { open(root, few_shot, 1, {3, 1}); },
                    {"few_shot with eval.shots up to 3", "class 'b' has 2 images"});
  expect_user_error([&] { open(root, knn, 7); }, {"knn with eval.knn_k 7", "has 6 images"});
  EXPECT_NO_THROW(open(root, few_shot, 7, {2, 1}));
  EXPECT_NO_THROW(open(root, knn, 6, {3}));
}

TEST(SuiteSet, OfShardsHasAsManyNamesAsClassesToLearn) {
  const TempDir root;
  for (const char* split : {"test", "train"}) {
    write_text(root / "set" / split / "nshards.txt", "1\n");
    testing::write_tar(root / "set" / split / "0.tar", {{"a.png", "x"}, {"a.cls", "0"}});
  }
  write_text(root / "set/classnames.txt", "a\nb\n");
  write_text(root / "names.txt", "a\nb\nc\n");
  SuiteSetConfig config = set_at("set", {SuiteTask::zero_shot, SuiteTask::knn});
  config.class_names = "names.txt";
  expect_user_error([&] { open(root, config); }, {"names.txt", "3 class names", "2 classes"});
  config.tasks = {SuiteTask::zero_shot};
  EXPECT_NO_THROW(open(root, config));
}

TEST(SuiteSet, ReadsTablesAsTheirSettingsSay) {
  const TempDir root;
  write_text(root / "pairs/t.csv", "filepath,title\n1.png,one\n");
  write_text(root / "images/1.png", "");
  SuiteSetConfig config = set_at("pairs/t.csv");
  config.data.image_root = "images";
  const SuiteSet set = open(root, config);
  EXPECT_EQ(set.config.data.image_root, (root / "images").string()) << "from eval.root";
  EXPECT_EQ(set.test_path, (root / "pairs/t.csv").string());
}

TEST(SuiteConfig, RefusesANumberOfShotsTwice) {
  const auto read = [](const std::string& shots) {
    return read_config<SuiteConfig>(
        ConfigSource::from_text("eval: {shots: " + shots + "}\nsets: {x: {path: x}}\n", "suite.yaml"));
  };
  expect_user_error([&] { read("[2, 1, 2]"); }, {"eval.shots has a number twice"});
  EXPECT_EQ(read("[2, 1]").eval.shots.size(), 2U);
}

TEST(SuiteSet, OpensTheSplitsOfAPublishedSet) {
  const TempDir root;
  write_text(root / "cub/classes.txt", "1 001.A\n2 002.B\n");
  write_text(root / "cub/images.txt", "1 001.A/1.jpg\n2 002.B/1.jpg\n3 001.A/2.jpg\n4 002.B/2.jpg\n");
  write_text(root / "cub/image_class_labels.txt", "1 1\n2 2\n3 1\n4 2\n");
  write_text(root / "cub/train_test_split.txt", "1 1\n2 1\n3 1\n4 0\n");
  std::filesystem::create_directory(root / "cub/images");
  const SuiteSet set = open(root, set_at("cub", {SuiteTask::zero_shot, SuiteTask::knn}));
  EXPECT_EQ(set.source().size(), 1);
  EXPECT_EQ(set.train->size(), 3);
  EXPECT_EQ(open(root, split_of("cub", "train")).source().size(), 3);
  expect_user_error([&] { open(root, split_of("cub", "val")); },
                    {"has no split 'val': it has train and test"});
}

}  // namespace
}  // namespace cloob
