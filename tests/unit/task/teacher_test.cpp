#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <string>
#include <vector>

#include "cloob/base/text.h"
#include "cloob/checkpoint/safetensors.h"
#include "cloob/cluster/pca.h"
#include "cloob/data/bad_samples.h"
#include "cloob/task/build_teacher.h"
#include "cloob/task/teacher_features.h"
#include "support/support.h"
#include "support/test_files.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using testing::expect_user_error;
using testing::TempDir;
using testing::write_text;

// Samples that have keys and nothing else; an empty key cannot be read.
class KeySource final : public Source {
 public:
  explicit KeySource(std::vector<std::string> keys, bool is_stream = false, std::string shard = "")
      : keys_(std::move(keys)), is_stream_(is_stream), shard_(std::move(shard)) {}
  std::int64_t size() const override { return std::ssize(keys_); }
  bool is_stream() const override { return is_stream_; }
  RawSample read(std::int64_t index) const override {
    const std::string& key = keys_[static_cast<std::size_t>(index)];
    if (key.empty()) throw BadSample(BadKind::broken_shard, "the shard ends here");
    return {.key = key, .image_bytes = {}, .captions = {}};
  }
  std::string describe(std::int64_t index) const override {
    return shard_.empty() ? "row " + std::to_string(index) : shard_ + ", sample " + std::to_string(index);
  }

 private:
  std::vector<std::string> keys_;
  bool is_stream_;
  std::string shard_;
};

std::vector<std::string> numbered(std::int64_t count) {
  std::vector<std::string> keys;
  for (std::int64_t i = 0; i < count; ++i) keys.push_back("sample" + std::to_string(i));
  return keys;
}

class Teacher : public ::testing::Test {
 protected:
  void write_features(const at::Tensor& rows) { write_safetensors(features_, {{"features", rows}}, {}); }
  TeacherSummary build(const Source& source, const std::vector<std::string>& keys = {},
                       std::int64_t dims = 0) {
    TeacherOptions options{
        .features = features_, .tensor = "", .keys = {}, .dims = dims, .command = "a test", .threads = 2};
    if (!keys.empty()) options.keys = write_text(folder_ / "keys.txt", join(keys, "\n") + "\n");
    return build_teacher(source, options, out_);
  }
  at::Tensor rows_for(const Source& source) const {
    std::vector<std::int64_t> all(static_cast<std::size_t>(source.size()));
    std::iota(all.begin(), all.end(), std::int64_t{0});
    return TeacherFeatures::open(out_, source).rows(all);
  }

  TempDir folder_;
  fs::path features_ = folder_ / "f.safetensors", out_ = folder_ / "teacher.safetensors";
};

TEST_F(Teacher, KeepsRowsInTheOrderOfTheSamples) {
  const KeySource source(numbered(5000));
  const at::Tensor rows_ND = at::randn({5000, 3});
  write_features(rows_ND);
  const TeacherSummary summary = build(source);
  EXPECT_EQ(summary.samples, 5000);
  EXPECT_EQ(summary.dims, 3);
  testing::expect_close(rows_for(source), rows_ND, 0, 0);
  const TeacherFeatures teacher = TeacherFeatures::open(out_, source);
  EXPECT_EQ(teacher.dim(), 3);
  EXPECT_EQ(teacher.num_samples(), 5000);
  const std::vector<std::int64_t> some = {4999, 0, 17, 17};
  testing::expect_close(teacher.rows(some), rows_ND.index_select(0, at::tensor(some)), 0, 0);
}

TEST_F(Teacher, FindsRowsByKey) {
  const KeySource source(numbered(1500));
  const at::Tensor order_N = at::randperm(1500);
  std::vector<std::string> keys;
  for (std::int64_t i = 0; i < 1500; ++i)
    keys.push_back("sample" + std::to_string(order_N[i].item<std::int64_t>()));
  const at::Tensor rows_ND = at::randn({1500, 4});
  write_features(rows_ND.index_select(0, order_N));
  EXPECT_EQ(build(source, keys).unused_rows.count, 0);
  testing::expect_close(rows_for(source), rows_ND, 0, 0);
}

TEST_F(Teacher, RowsOfOtherSamplesAreNotUsed) {
  const KeySource source({"b", "c"});
  write_features(at::arange(8, at::kFloat).reshape({4, 2}));
  const TeacherSummary summary = build(source, {"a", "c", "b", "d\r"});
  EXPECT_EQ(summary.unused_rows.count, 2);
  EXPECT_THAT(summary.unused_rows.examples, ElementsAre("'a'", "'d'"));
  testing::expect_close(rows_for(source), at::tensor({4.0f, 5.0f, 2.0f, 3.0f}).reshape({2, 2}), 0, 0);
}

TEST_F(Teacher, EverySampleNeedsOneRow) {
  const KeySource source(numbered(6));
  write_features(at::randn({6, 2}));
  expect_user_error(
      [&] { build(source, {"sample0", "sample1", "sample1", "sample3", "x", "y"}); },
      {"keys.txt' does not give each sample one row: 3 samples of the data have no row ('sample2', "
       "'sample4', 'sample5'); 1 row has a key that an earlier row has ('sample1' in lines 2 and 3); 2 keys are "
       "not in the data ('x', 'y')"});
  expect_user_error([&] { build(source, {"sample0", "sample1"}); }, {"2 lines", "6 rows"});
  expect_user_error([&] { build(KeySource(numbered(5))); }, {"6 rows", "5 samples", "without keys"});
  EXPECT_FALSE(fs::exists(out_));
}

TEST_F(Teacher, KeysHaveToTellSamplesApart) {
  write_features(at::randn({3, 2}));
  expect_user_error([&] { build(KeySource({"a", "b", "a"}), {"a", "b", "c"}); },
                    {"1 sample of the data has the key of an earlier sample ('a')", "without keys"});
  expect_user_error([&] { build(KeySource(numbered(3), /*is_stream=*/true), numbered(3)); },
                    {"streams", "without keys"});
}

TEST_F(Teacher, ReducesByPca) {
  const KeySource source(numbered(9000));
  // Two directions with most of the variance, about a mean that is far from zero.
  const at::Tensor rows_ND = at::randn({9000, 2}).matmul(at::randn({2, 6})) + 0.1 * at::randn({9000, 6}) + 5;
  write_features(rows_ND.to(at::kDouble));
  const TeacherSummary summary = build(source, {}, 2);
  EXPECT_EQ(summary.input_dims, 6);
  EXPECT_EQ(summary.dims, 2);
  const at::Tensor expected_ND = apply(fit_pca(rows_ND, 2), rows_ND);
  testing::expect_close(rows_for(source), expected_ND, 1e-4, 1e-4);
  const double kept = (expected_ND.var(0).sum() / rows_ND.var(0).sum()).item<double>();
  EXPECT_NEAR(summary.explained_variance, kept, 1e-4);
  EXPECT_GT(kept, 0.9);
  EXPECT_EQ(parse_double(read_safetensors(out_).metadata.at("explained_variance")),
            summary.explained_variance);
}

TEST_F(Teacher, RejectsFeaturesThatCannotBeReduced) {
  const KeySource source(numbered(10));
  write_features(at::randn({10, 4}));
  expect_user_error([&] { build(source, {}, 5); }, {"5 dimensions", "4 numbers"});
  write_features(at::ones({10, 4}));
  expect_user_error([&] { build(source, {}, 2); }, {"all rows of features are equal"});
  write_features(at::randn({10, 40}));
  expect_user_error([&] { build(source, {}, 20); }, {"20 principal components of 10 samples"});
}

TEST_F(Teacher, NumbersHaveToBeFinite) {
  const KeySource source(numbered(10));
  for (const double bad : {static_cast<double>(NAN), static_cast<double>(-INFINITY), 1e300}) {
    at::Tensor rows_ND = at::randn({10, 4}, at::kDouble);
    rows_ND[7][2] = bad;
    write_features(rows_ND);
    for (const std::int64_t dims : {0, 2}) {
      expect_user_error([&] { build(source, {}, dims); }, {"f.safetensors': number 2 of row 7"});
      EXPECT_FALSE(fs::exists(out_));
    }
  }
}

TEST_F(Teacher, SamplesThatCannotBeReadHaveNoFeatures) {
  const KeySource source({"a", "", "c"});
  for (const std::int64_t dims : {0, 1}) {
    write_features(at::arange(4, at::kFloat).reshape({2, 2}));
    const TeacherSummary summary = build(source, {"c", "a"}, dims);
    EXPECT_EQ(summary.without_features.count, 1);
    EXPECT_THAT(summary.without_features.examples, ElementsAre("row 1: the shard ends here"));
    const TeacherFeatures teacher = TeacherFeatures::open(out_, source);
    EXPECT_EQ(teacher.rows(std::vector<std::int64_t>{0, 2}).size(0), 2);
    expect_user_error([&] { teacher.rows(std::vector<std::int64_t>{0, 1}); }, {"no features of sample 1"});
  }
}

TEST_F(Teacher, IsRefusedForOtherData) {
  const KeySource source(numbered(700));
  write_features(at::randn({700, 2}));
  build(source);
  expect_user_error([&] { TeacherFeatures::open(out_, KeySource(numbered(699))); },
                    {"built for other data", "has 699 samples instead of 700"});
  std::vector<std::string> keys = numbered(700);
  std::rotate(keys.begin(), keys.begin() + 1, keys.end());
  expect_user_error([&] { TeacherFeatures::open(out_, KeySource(keys)); },
                    {"has 'sample1' as sample 0 instead of 'sample0'"});
  keys = numbered(700);
  std::swap(keys.front(), keys.back());
  expect_user_error([&] { TeacherFeatures::open(out_, KeySource(keys)); }, {"'sample699' as sample 0"});
  expect_user_error([&] { TeacherFeatures::open(features_, source); },
                    {"f.safetensors' is not a file of a teacher"});
}

// The keys of streams are not known; those of the same shards on a disk are.
TEST_F(Teacher, OfShardsFitsTheSameShardsAsStreams) {
  write_features(at::randn({5, 2}));
  const KeySource on_disk(numbered(5), false, "/data/00007.tar");
  const KeySource stream(numbered(5), true, "pipe:cat http://host/x/00007.tar.gz?y=z");
  const KeySource other(numbered(5), true, "https://host/x/00008.tar");
  build(on_disk);
  rows_for(stream);
  expect_user_error([&] { rows_for(other); }, {"shards of other names"});
  expect_user_error([&] { rows_for(KeySource(numbered(5), true)); }, {"shards of other names"});
  build(stream);
  rows_for(on_disk);
  rows_for(stream);
  expect_user_error([&] { rows_for(other); }, {"shards of other names"});
}

TEST_F(Teacher, KeysNeedNotBeUtf8) {
  const KeySource source({"\xff\xfe", "gr\xc3\xbc\xc3\x9f"});
  write_features(at::randn({2, 2}));
  build(source, {"gr\xc3\xbc\xc3\x9f", "\xff\xfe"});
  rows_for(source);
}

}  // namespace
}  // namespace cloob
