#include <gmock/gmock.h>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/json.h"
#include "cloob/data/bad_samples.h"
#include "cloob/data/labeled_source.h"
#include "support/support.h"
#include "support/test_files.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;
using testing::as_string;
using testing::expect_user_error;
using testing::golden_path;
using testing::TempDir;
using testing::write_text;
using Names = std::vector<std::string>;

class Cub : public ::testing::Test {
 protected:
  // Lists in other orders than their numbers.
  Cub() {
    const fs::path root = folder_ / "CUB_200_2011";
    write_text(root / "classes.txt", "2 002.Laysan_Albatross\n1 001.Black_footed_Albatross\n");
    write_text(root / "images.txt",
               "1 001.Black_footed_Albatross/a.jpg\n2 001.Black_footed_Albatross/b.jpg\n"
               "3 002.Laysan_Albatross/a.jpg\n4 002.Laysan_Albatross/b.jpg\n");
    write_text(root / "image_class_labels.txt", "4 2\n3 2\n2 1\n1 1\n");
    write_text(root / "train_test_split.txt", "1 0\n2 1\n3 1\n4 0\n");
    for (const char* name : {"001.Black_footed_Albatross/a", "001.Black_footed_Albatross/b",
                             "002.Laysan_Albatross/a", "002.Laysan_Albatross/b"})
      write_text(root / "images" / (std::string(name) + ".jpg"), name);
    write_text(root / "attributes" / "certainties.txt", "1 not visible\n");
  }
  fs::path file(const std::string& name) const { return folder_ / "CUB_200_2011" / name; }
  void expect_error(const std::string& name, const std::string& content,
                    std::initializer_list<std::string> parts) const {
    const std::string before = read_file(file(name));
    write_text(file(name), content);
    expect_user_error([&] { open_labeled_source(folder_.path(), "test", 1); }, parts);
    write_text(file(name), before);
  }
  TempDir folder_;
};

TEST_F(Cub, HasTheImagesOfASplit) {
  for (const fs::path& root : {folder_.path(), file("")}) {
    const auto test = open_labeled_source(root, "test", 1), train = open_labeled_source(root, "train", 1);
    ASSERT_EQ(test->size(), 2);
    EXPECT_EQ(as_string(test->read(0).image_bytes), "001.Black_footed_Albatross/a");
    EXPECT_EQ(as_string(test->read(1).image_bytes), "002.Laysan_Albatross/b");
    EXPECT_EQ(test->label(0), 0);
    EXPECT_EQ(test->label(1), 1);
    ASSERT_EQ(train->size(), 2);
    EXPECT_EQ(as_string(train->read(0).image_bytes), "001.Black_footed_Albatross/b");
    EXPECT_EQ(test->class_folders(), (Names{"001.Black_footed_Albatross", "002.Laysan_Albatross"}));
    const PublishedSet set = test->published_set().value();
    EXPECT_EQ(set.name, "cub");
    EXPECT_EQ(set.class_names, (Names{"Black footed Albatross", "Laysan Albatross"}));
    EXPECT_THAT(set.names_from, ::testing::EndsWith("CUB_200_2011/classes.txt"));
  }
  expect_user_error([&] { open_labeled_source(folder_.path(), "val", 1); },
                    {"CUB_200_2011' has no split 'val': it has train and test"});
}

TEST_F(Cub, AFolderWithAnotherSetBesideIsRefused) {
  write_text(folder_ / "stanford_cars" / "devkit" / "cars_meta.mat", "");
  expect_user_error([&] { open_labeled_source(folder_.path(), "test", 1); },
                    {"has two data sets in it", "CUB_200_2011' or '", "stanford_cars'"});
  EXPECT_EQ(open_labeled_source(file(""), "test", 1)->size(), 2);
}

TEST_F(Cub, SplitsShareAFolder) {
  EXPECT_TRUE(is_published_set(folder_.path()));
  EXPECT_TRUE(lists_splits(folder_.path()));
  EXPECT_EQ(images_of_split(folder_.path(), "train"), file("images"));
}

// All 11,788 images would be classified otherwise, under names with numbers.
TEST_F(Cub, TheFolderOfImagesAloneIsRefused) {
  expect_user_error([&] { open_labeled_source(file("images"), "test", 1); },
                    {"is a part of a data set: give the folder", "CUB_200_2011'"});
  expect_user_error([&] { open_labeled_source(file("images/"), "test", 1); }, {"is a part of a data set"});
}

TEST_F(Cub, ListsThatDoNotBelongTogetherAreRefused) {
  expect_error("image_class_labels.txt", "1 1\n2 1\n3 1\n4 2\n",
               {"image_class_labels.txt': image 3", "002.Laysan_Albatross/a.jpg"});
  expect_error("image_class_labels.txt", "1 1\n2 1\n3 2\n", {"has 3 lines, but images.txt has 4"});
  expect_error("image_class_labels.txt", "1 1\n2 1\n3 2\n4 3\n",
               {"image 4 has the class '3', expected 1 to 2"});
  expect_error("image_class_labels.txt", "1 1\n1 1\n3 2\n4 2\n",
               {"image_class_labels.txt:2: the number 1 is there twice"});
  expect_error("train_test_split.txt", "1 0\n2 1\n3 yes\n4 0\n",
               {"image 3 has 'yes', expected 0 (test) or 1 (train)"});
  expect_error("train_test_split.txt", "1 1\n2 1\n3 1\n4 1\n", {"has no images of the split 'test'"});
  expect_error("train_test_split.txt", "1 0\n2\n3 1\n4 0\n",
               {"train_test_split.txt:2: expected a number and a text"});
  expect_error("images.txt", "1 a.jpg\n2 b.jpg\n3 c.jpg\n9 d.jpg\n",
               {"images.txt:4: the number 9 is not one of 1 to 4"});
  expect_error("images.txt", "1 ../a.jpg\n2 b.jpg\n3 c.jpg\n4 d.jpg\n",
               {"'../a.jpg' is not the name of an image"});
  expect_error("images.txt", "", {"images.txt' is empty"});
  fs::remove(file("classes.txt"));
  expect_user_error([&] { open_labeled_source(folder_.path(), "test", 1); }, {"classes.txt"});
}

TEST_F(Cub, AnImageThatIsNotThereIsUnusable) {
  fs::remove(file("images/001.Black_footed_Albatross/a.jpg"));
  const auto source = open_labeled_source(folder_.path(), "test", 1);
  EXPECT_THROW(source->read(0), BadSample);
  fs::remove_all(file("images"));
  expect_user_error([&] { open_labeled_source(folder_.path(), "test", 1); }, {"/images' does not exist"});
}

class Cars : public ::testing::TestWithParam<const char*> {
 protected:
  Cars() {
    fs::copy(golden_path("fine_grained") / GetParam(), folder_.path(), fs::copy_options::recursive);
    for (const char* name :
         {"cars_train/00001", "cars_train/00002", "cars_test/00001", "cars_test/00002", "cars_test/00003"})
      write_text(root() / (std::string(name) + ".jpg"), name);
  }
  fs::path root() const { return folder_ / "stanford_cars"; }
  TempDir folder_;
};

TEST_P(Cars, AreThoseOfTorchvision) {
  const auto expected = parse_json(read_file(golden_path("fine_grained/cars.json")));
  for (const fs::path& folder : {folder_.path(), root()}) {
    for (const auto& [split, data] : expected.items()) {
      const auto source = open_labeled_source(folder, split, 1);
      ASSERT_EQ(source->size(), std::ssize(data["files"]));
      for (std::int64_t i = 0; i < source->size(); ++i) {
        const auto& file = data["files"][static_cast<std::size_t>(i)];
        EXPECT_EQ(source->describe(i), (folder_.path() / file["file"].get<std::string>()).string());
        EXPECT_EQ(source->label(i), file["label"]);
        EXPECT_FALSE(source->read(i).image_bytes.empty());
      }
      const PublishedSet set = source->published_set().value();
      EXPECT_EQ(set.name, "cars");
      EXPECT_EQ(set.class_names, data["classes"].get<Names>());
    }
  }
  EXPECT_EQ(images_of_split(folder_.path(), "test"), root() / "cars_test");
  EXPECT_FALSE(lists_splits(folder_.path()));
}

TEST_P(Cars, WhatIsMissingIsNamed) {
  const auto error = [&](const fs::path& folder, const std::string& split,
                         std::initializer_list<std::string> parts) {
    expect_user_error([&] { open_labeled_source(folder, split, 1); }, parts);
  };
  error(root() / "cars_test", "test", {"is a part of a data set: give the folder"});
  error(root(), "val", {"it has train and test"});
  const fs::path list = root() / "cars_test_annos_withlabels.mat", devkit = root() / "devkit";
  fs::rename(list, devkit / list.filename());
  EXPECT_EQ(open_labeled_source(root(), "test", 1)->size(), 3) << "some copies have it there";
  fs::remove(devkit / list.filename());
  error(root(), "test",
        {"has no cars_test_annos_withlabels.mat, the list of the images of the split 'test'"});
  fs::copy(devkit / "cars_meta.mat", list);
  error(root(), "test", {"cars_test_annos_withlabels.mat' has no list 'annotations'"});
  fs::remove_all(root() / "cars_train");
  error(root(), "train", {"cars_train' does not exist"});
}

INSTANTIATE_TEST_SUITE_P(Writers, Cars, ::testing::Values("matlab", "scipy"),
                         [](const auto& instance) { return std::string(instance.param); });

}  // namespace
}  // namespace cloob
