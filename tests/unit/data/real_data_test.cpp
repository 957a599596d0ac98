// Tests with the data sets beside the project, skipped if they are missing.
#include <set>

#include "cloob/data/labeled_source.h"
#include "cloob/data/loader/loader.h"
#include "support/support.h"

namespace cloob {
namespace {

class RealData : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(root_)) GTEST_SKIP() << "no data in " << root_;
  }
  std::filesystem::path root_ = testing::shared_data_dir();
};

TEST_F(RealData, ReadsTheFlickr8kShardsWithAllCaptions) {
  DataConfig config;
  config.webdataset.json_caption_field = "captions";
  const auto shards = (root_ / "flickr8k" / "train-{00000..00005}.tar").string();
  const auto source = make_source(config, {shards}, Purpose::training);
  EXPECT_EQ(source->size(), 6000);
  EXPECT_EQ(source->read_captions(0).size(), 5u);

  const Preprocess preprocess =
      with_text(make_image_preprocess(ImageConfig(), Purpose::training, 32, 1'000'000),
                make_tokenizer(TextConfig()), 32);
  LoaderOptions options = make_loader_options(config, Purpose::training, 100, 1);
  options.max_bad_share = 0;
  Loader loader(source, preprocess, options);
  std::set<std::int64_t> seen;
  for (std::int64_t k = 0; k < loader.batches_per_epoch(); ++k) {
    const Batch batch = loader.next();
    seen.insert(batch.indices.begin(), batch.indices.end());
  }
  EXPECT_EQ(seen.size(), 6000u);
  EXPECT_EQ(loader.epochs_done(), 1);
}

TEST_F(RealData, ScaledDecodingIsCloseToExact) {
  const auto source = make_source({}, {(root_ / "flickr8k" / "dev.tsv").string()}, Purpose::evaluation);
  ImageConfig exact, scaled;
  exact.mean = scaled.mean = {0, 0, 0};
  exact.std = scaled.std = {1, 1, 1};
  scaled.decode = Decoding::scaled;
  constexpr std::int64_t kSide = 64;
  const Preprocess full = make_image_preprocess(exact, Purpose::training, kSide, 1'000'000);
  const Preprocess reduced = make_image_preprocess(scaled, Purpose::training, kSide, 1'000'000);
  double sum = 0;
  constexpr std::int64_t kImages = 100;
  for (std::int64_t index = 0; index < kImages; ++index) {
    const RawSample sample = source->read(index);
    std::vector<float> expected(3 * kSide * kSide), actual(expected.size());
    const auto seed = static_cast<std::uint64_t>(index);
    RandomStream first(RandomUse::augmentation, {seed}), second(RandomUse::augmentation, {seed});
    full.image(sample.image_bytes, first, expected);
    reduced.image(sample.image_bytes, second, actual);
    EXPECT_EQ(first.next(), second.next()) << "both draw the same numbers";
    for (std::size_t i = 0; i < actual.size(); ++i)
      sum += std::abs(static_cast<double>(actual[i] - expected[i]));
  }
  const double grey_levels = 255 * sum / static_cast<double>(3 * kSide * kSide * kImages);
  EXPECT_LT(grey_levels, 2.0);
  EXPECT_GT(grey_levels, 0.1) << "nothing was scaled";
  RecordProperty("grey_levels", std::to_string(grey_levels));
}

TEST_F(RealData, GroupsTheFlickr8kDevTableByImage) {
  const auto table = (root_ / "flickr8k" / "dev.tsv").string();
  EXPECT_EQ(make_source({}, {table}, Purpose::training)->size(), 5000);
  const auto source = make_source({}, {table}, Purpose::evaluation);
  ASSERT_EQ(source->size(), 1000);
  for (std::int64_t index = 0; index < 1000; ++index) ASSERT_EQ(source->read_captions(index).size(), 5u);
  EXPECT_GT(source->read(999).image_bytes.size(), 1000u);
}

TEST_F(RealData, ReadsCifar10AsClassFolders) {
  const auto source = open_labeled_source(root_ / "cifar10" / "test", "test", 1);
  EXPECT_EQ(source->size(), 2000);
  ASSERT_EQ(source->class_folders().size(), 10u);
  EXPECT_EQ(source->class_folders().front(), "airplane");
  EXPECT_EQ(source->label(0), 0);
  EXPECT_EQ(source->label(1999), 9);
}

}  // namespace
}  // namespace cloob
