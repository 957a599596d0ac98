#include "cloob/data/labeled_source.h"

#include "cloob/base/error.h"
#include "cloob/base/log.h"
#include "cloob/data/bad_samples.h"
#include "support/support.h"
#include "support/test_files.h"

namespace cloob {
namespace {

using testing::as_string;
using testing::expect_user_error;
using ::testing::HasSubstr;
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
  EXPECT_EQ(source->class_folders(), (Names{"blue", "red_circle"}));
  EXPECT_EQ(source->names_file(), std::nullopt);
  EXPECT_EQ(source->templates_file(), std::nullopt);
  ASSERT_EQ(source->size(), 3);
  const std::vector<std::pair<std::string, std::int64_t>> expected = {{"b1", 0}, {"r1", 1}, {"r2", 1}};
  for (std::int64_t index = 0; index < 3; ++index) {
    EXPECT_EQ(as_string(source->read(index).image_bytes), expected[static_cast<std::size_t>(index)].first);
    EXPECT_EQ(source->label(index), expected[static_cast<std::size_t>(index)].second);
  }
}

// ImageNetV2 names its folders 0 to 999, and lists of names follow the numbers.
TEST(LabeledFolder, SortsNumbersAsNumbers) {
  const TempDir folder;
  for (const std::string name : {"0", "1", "2", "10", "007"}) write_text(folder / name / "1.jpg", name);
  EXPECT_EQ(open_labeled_source(folder.path(), "test", 1)->class_folders(),
            (Names{"0", "1", "2", "007", "10"}));
  std::filesystem::create_directory(folder / "__MACOSX");
  EXPECT_EQ(open_labeled_source(folder.path(), "test", 1)->class_folders(),
            (Names{"0", "1", "2", "007", "10"}))
      << "a folder without images is no class";
  write_text(folder / "x/1.jpg", "x");
  EXPECT_EQ(open_labeled_source(folder.path(), "test", 1)->class_folders(),
            (Names{"0", "007", "1", "10", "2", "x"}));
}

TEST(LabeledFolder, FindsImagesInDeeperFolders) {
  const TempDir folder;
  write_text(folder / "cat/images/1.jpg", "c1");
  write_text(folder / "cat/0.jpg", "c0");
  write_text(folder / "dog/a/b/1.jpg", "d1");
  const auto source = open_labeled_source(folder.path(), "test", 1);
  ASSERT_EQ(source->size(), 3);
  EXPECT_EQ(source->label(0), 0);
  EXPECT_EQ(source->label(1), 0);
  EXPECT_EQ(source->label(2), 1);
  std::filesystem::create_directory_symlink("..", folder / "dog/a/up");
  expect_user_error([&] { open_labeled_source(folder.path(), "test", 1); }, {"a/up", "folders deep", "link"});
}

TEST(LabeledFolder, SaysWhatIsLeftOut) {
  const TempDir folder;
  write_text(folder / "cat/1.jpg", "c");
  write_text(folder / "cat/2.ppm", "c");
  write_text(folder / "dog/1.jpg", "d");
  write_text(folder / "dog/2.AVIF", "d");
  write_text(folder / "__MACOSX/._1.jpg", "hidden");
  write_text(folder / "1.jpg", "outside");
  set_log_level(LogLevel::warning);
  ::testing::internal::CaptureStderr();
  const auto source = open_labeled_source(folder.path(), "test", 1);
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(source->class_folders(), (Names{"cat", "dog"}));
  EXPECT_THAT(log, HasSubstr("1 .avif, 1 .ppm"));
  EXPECT_THAT(log, HasSubstr("folders without images are not classes: __MACOSX"));
  EXPECT_THAT(log, HasSubstr("1 images outside of the class folders"));
}

TEST(LabeledFolder, RejectsTheFolderAboveTheClassFolders) {
  const TempDir folder;
  write_text(folder / "train/cat/1.jpg", "c");
  write_text(folder / "val/cat/1.jpg", "c");
  expect_user_error([&] { open_labeled_source(folder.path(), "test", 1); }, {"train, val", "/val'"});
}

TEST(LabeledFolder, RejectsFoldersWithoutImages) {
  const TempDir folder;
  std::filesystem::create_directories(folder / "empty");
  expect_user_error([&] { open_labeled_source(folder.path(), "test", 1); },
                    {"has no images", "clip-benchmark"});
  write_text(folder / "empty/1.ppm", "p");
  expect_user_error([&] { open_labeled_source(folder.path(), "test", 1); },
                    {"no images that can be decoded, only 1 .ppm", "PNG"});
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
  EXPECT_TRUE(source->class_folders().empty());
  EXPECT_EQ(source->names_file(), folder / "classnames.txt");
  EXPECT_EQ(source->templates_file(), folder / "zeroshot_classification_templates.txt");
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
  for (const std::string label : {"-1", "cat"}) {
    write_clip_benchmark(folder, label);
    const auto source = open_labeled_source(folder.path(), "test", 1);
    expect_user_error([&] { source->label(2); }, {"1.tar, sample 0 has the label '" + label + "'", "from 0"});
  }
  expect_user_error([&] { open_labeled_source(folder.path(), "train", 1); },
                    {"train/nshards.txt' does not exist"});
  write_text(folder / "test/nshards.txt", "3\n");
  expect_user_error([&] { open_labeled_source(folder.path(), "test", 1); }, {"2.tar'", "No such file"});
  write_text(folder / "test/nshards.txt", "many\n");
  expect_user_error([&] { open_labeled_source(folder.path(), "test", 1); },
                    {"nshards.txt' must hold the number"});
}

TEST(OpenLabeledSource, NamesTheCommandForPairs) {
  const TempDir folder;
  const auto table = testing::write_text(folder / "t.csv", "filepath,title\na.jpg,a\n");
  testing::expect_user_error([&] { open_labeled_source(table, "test", 1); },
                             {"no classes", "cloob eval retrieval --data"});
  testing::expect_user_error([&] { open_labeled_source("x/{0..3}.tar", "test", 1); },
                             {"cloob eval retrieval"});
  testing::expect_user_error([&] { open_labeled_source(folder.path(), "test", 1); },
                             {"cloob eval retrieval"});
}

}  // namespace
}  // namespace cloob
