#include "cloob/data/labeled_source.h"

#include "cloob/base/error.h"
#include "cloob/data/bad_samples.h"
#include "support/support.h"
#include "support/test_files.h"

namespace cloob {
namespace {

using testing::as_string;
using testing::expect_user_error;
using testing::TempDir;
using testing::write_tar;
using testing::write_text;
using Names = std::vector<std::string>;

TEST(LabeledFolder, SortsClassesByFolderName) {
  const TempDir folder;
  write_text(folder / "red_circle/2.jpg", "r2");
  write_text(folder / "red_circle/1.PNG", "r1");
  write_text(folder / "red_circle/notes.txt", "no image");
  write_text(folder / "blue/1.webp", "b1");
  write_text(folder / ".cache/1.jpg", "hidden");
  const auto source = open_labeled_source(folder.path(), "test", 1);
  EXPECT_EQ(source->class_names(), (Names{"blue", "red circle"}));
  EXPECT_TRUE(source->templates().empty());
  ASSERT_EQ(source->size(), 3);
  const std::vector<std::pair<std::string, std::int64_t>> expected = {{"b1", 0}, {"r1", 1}, {"r2", 1}};
  for (std::int64_t index = 0; index < 3; ++index) {
    EXPECT_EQ(as_string(source->read(index).image_bytes), expected[static_cast<std::size_t>(index)].first);
    EXPECT_EQ(source->label(index), expected[static_cast<std::size_t>(index)].second);
  }
}

TEST(LabeledFolder, ReadsNamesAndPromptsFromFiles) {
  const TempDir folder;
  write_text(folder / "n01/1.jpg", "1");
  write_text(folder / "n02/1.jpg", "2");
  write_text(folder / "classnames.txt", "tench\r\ngreat white shark\n");
  write_text(folder / "templates.txt", "a photo of a {c}.\n\n");
  const auto source = open_labeled_source(folder.path(), "test", 1);
  EXPECT_EQ(source->class_names(), (Names{"tench", "great white shark"}));
  EXPECT_EQ(source->templates(), Names{"a photo of a {c}."});
  write_text(folder / "classnames.txt", "tench\n");
  expect_user_error([&] { open_labeled_source(folder.path(), "test", 1); }, {"names 1 classes", "2 folders"});
}

TEST(LabeledFolder, RejectsFoldersWithoutImages) {
  const TempDir folder;
  std::filesystem::create_directories(folder / "empty");
  expect_user_error([&] { open_labeled_source(folder.path(), "test", 1); },
                    {"has no images", "clip-benchmark"});
  expect_user_error([&] { open_labeled_source(folder / "none", "test", 1); }, {"none' is not a folder"});
}

void write_clip_benchmark(const TempDir& folder, const std::string& last_label) {
  write_text(folder / "classnames.txt", "cat\ndog\n");
  write_text(folder / "zeroshot_classification_templates.txt", "a {c}\nthe {c}\n");
  write_text(folder / "test/nshards.txt", "2\n");
  write_tar(folder / "test/0.tar",
            {{"s0000000.webp", "w"}, {"s0000000.cls", "1"}, {"s0000001.cls", "0"}, {"s0000001.jpg", "j"}});
  write_tar(folder / "test/1.tar",
            {{"s0000002.png", "p"}, {"s0000002.cls", last_label}, {"s0000003.cls", "1"}});
}

TEST(ClipBenchmarkFolder, ReadsImagesAndLabels) {
  const TempDir folder;
  write_clip_benchmark(folder, " 1\n");
  const auto source = open_labeled_source(folder.path(), "test", 2);
  EXPECT_EQ(source->class_names(), (Names{"cat", "dog"}));
  EXPECT_EQ(source->templates(), (Names{"a {c}", "the {c}"}));
  ASSERT_EQ(source->size(), 4);
  EXPECT_EQ(as_string(source->read(0).image_bytes), "w");
  EXPECT_EQ(as_string(source->read(2).image_bytes), "p");
  EXPECT_EQ(source->label(0), 1);
  EXPECT_EQ(source->label(1), 0);
  EXPECT_EQ(source->label(2), 1);
  EXPECT_THROW(source->read(3), BadSample);
}

TEST(ClipBenchmarkFolder, ReportsErrors) {
  const TempDir folder;
  for (const std::string label : {"2", "-1", "cat"}) {
    write_clip_benchmark(folder, label);
    const auto source = open_labeled_source(folder.path(), "test", 1);
    expect_user_error([&] { source->label(2); },
                      {"1.tar, sample 0 has the label '" + label + "'", "from 0 to 1"});
  }
  expect_user_error([&] { open_labeled_source(folder.path(), "train", 1); },
                    {"train/nshards.txt' does not exist"});
  write_text(folder / "test/nshards.txt", "3\n");
  expect_user_error([&] { open_labeled_source(folder.path(), "test", 1); }, {"2.tar'", "No such file"});
  write_text(folder / "test/nshards.txt", "many\n");
  expect_user_error([&] { open_labeled_source(folder.path(), "test", 1); },
                    {"nshards.txt' must hold the number"});
}

}  // namespace
}  // namespace cloob
