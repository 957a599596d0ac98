#include "cloob/memory/memory.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <thread>

#include "cloob/base/full_precision.h"
#include "cloob/memory/rewrite_memory.h"
#include "cloob/search/index_writer.h"
#include "cloob/search/removed_rows.h"
#include "support/support.h"

namespace cloob {
namespace {

constexpr std::int64_t kPairs = 40, kDims = 16;

class MemoryTest : public ::testing::Test {
 protected:
  // Entries 20 to 39 have the images, or the texts, of the first twenty: in pairs of one in two.
  MemoryTest() {
    for (std::int64_t i = 0; i < kPairs; ++i) keys_.push_back(key(i));
    at::manual_seed(5);
    image_ND_ = unit_rows(at::randn({kPairs, kDims}));
    text_ND_ = unit_rows(at::randn({kPairs, kDims}));
    for (std::int64_t i = 0; i < 20; ++i) {
      at::Tensor& copied = i % 2 == 0 ? image_ND_ : text_ND_;
      copied[20 + i].copy_(copied[i]);
    }
  }

  std::filesystem::path write(const std::string& name, bool with_texts = true, bool with_model = true,
                              const IndexLayout& layout = {}) {
    const std::filesystem::path folder = folder_ / name;
    IndexWriter writer(folder, kDims, /*has_thumbnails=*/false);
    IndexRows rows;
    rows.features_ND[Side::image] = image_ND_;
    if (with_texts) rows.features_ND[Side::text] = text_ND_;
    for (std::int64_t i = 0; i < kPairs; ++i) {
      rows.entries.push_back({.key = keys_[static_cast<std::size_t>(i)], .captions = {"caption"}});
      rows.content_hashes.push_back(static_cast<std::uint64_t>(i));
    }
    writer.add(rows);
    IndexHeader header;
    if (with_model) header.model = IndexModel{.hash = "1", .name = "m", .checkpoint = "c"};
    writer.finish(header, layout);
    return folder;
  }

  static std::string key(std::int64_t i) { return "key" + std::to_string(i); }

  testing::TempDir folder_;
  at::Tensor image_ND_, text_ND_;
  std::vector<std::string> keys_;
};

TEST_F(MemoryTest, FindsTheNearestAndGivesTheirFeatures) {
  const Memory memory(write("memory"));
  EXPECT_EQ(memory.size(), kPairs);
  const at::Tensor rows_QK = memory.nearest(Modality::image, image_ND_, 3, nullptr);
  const at::Tensor scores = image_ND_.to(at::kHalf).to(at::kFloat).matmul(image_ND_.t());
  for (std::int64_t query = 0; query < kPairs; ++query) {
    // Of copies the first one is first.
    const bool has_copy = query % 2 == 0;
    EXPECT_EQ(rows_QK[query][0].item<std::int64_t>(), has_copy ? query % 20 : query);
    if (has_copy) {
      EXPECT_EQ(rows_QK[query][1].item<std::int64_t>(), query % 20 + 20);
    }
  }
  const at::Tensor features = memory.features(Modality::text, rows_QK);
  EXPECT_EQ(features.sizes(), (std::vector<std::int64_t>{kPairs, 3, kDims}));
  EXPECT_TRUE(at::equal(features[7][0], text_ND_[7].to(at::kHalf).to(at::kFloat)));
}

TEST_F(MemoryTest, PadsWhenThereAreFewer) {
  const Memory memory(write("memory"));
  const at::Tensor rows_QK = memory.nearest(Modality::text, text_ND_.narrow(0, 0, 2), kPairs + 5, nullptr);
  EXPECT_TRUE(rows_QK.narrow(1, kPairs, 5).eq(-1).all().item<bool>());
  EXPECT_TRUE(rows_QK.narrow(1, 0, kPairs).ge(0).all().item<bool>());
  const at::Tensor features = memory.features(Modality::image, rows_QK);
  EXPECT_TRUE(features.narrow(1, kPairs, 5).eq(0).all().item<bool>());
}

// Every query is in the memory, and so are copies of its image or of its text.
TEST_F(MemoryTest, LeavesOutTheOwnPairAndNearDuplicatesOfEitherModality) {
  const Memory memory(write("memory"));
  std::vector<std::string> keys;
  for (std::int64_t i = 0; i < kPairs; ++i) keys.push_back(key(i));
  const LeftOutPairs left_out{.keys = keys, .image_QD = image_ND_, .text_QD = text_ND_, .similarity = 0.99};
  for (const Modality searched : {Modality::image, Modality::text}) {
    const at::Tensor& queries = searched == Modality::image ? image_ND_ : text_ND_;
    const at::Tensor all_QK = memory.nearest(searched, queries, kPairs, nullptr);
    const at::Tensor rows_QK = memory.nearest(searched, queries, kPairs, &left_out);
    for (std::int64_t query = 0; query < kPairs; ++query) {
      const std::int64_t copy = (query + 20) % kPairs;
      std::vector<std::int64_t> expected;
      for (std::int64_t i = 0; i < kPairs; ++i) {
        const auto row = all_QK[query][i].item<std::int64_t>();
        if (row != query && row != copy) expected.push_back(row);
      }
      ASSERT_EQ(std::ssize(expected), kPairs - 2);
      EXPECT_TRUE(at::equal(rows_QK[query].narrow(0, 0, kPairs - 2), at::tensor(expected, at::kLong)));
      EXPECT_TRUE(rows_QK[query].narrow(0, kPairs - 2, 2).eq(-1).all().item<bool>());
    }
    const at::Tensor few_QK = memory.nearest(searched, queries, 2, &left_out);
    EXPECT_TRUE(at::equal(few_QK, rows_QK.narrow(1, 0, 2))) << "as many as asked for, if there are";
  }
}

TEST_F(MemoryTest, NamesTheEntryWhoseFeaturesAreBroken) {
  text_ND_[7].fill_(std::numeric_limits<float>::quiet_NaN());
  const std::filesystem::path folder = write("memory");
  const at::Tensor rows = at::tensor({1, 2, 7, -1}, at::kLong).reshape({2, 2});
  testing::expect_user_error([&] { Memory(folder).features(Modality::text, rows); },
                             {"entry 7 has features of its text that are not finite", "remove", "key7"});
  EXPECT_TRUE(Memory(folder).features(Modality::image, rows).isfinite().all().item<bool>());
  EXPECT_TRUE(Memory(folder).features(Modality::text, rows[0]).isfinite().all().item<bool>());
}

TEST_F(MemoryTest, NeedsAnEntryThatWasNotRemoved) {
  const std::filesystem::path folder = write("memory");
  std::vector<std::int64_t> rows;
  for (std::int64_t i = 1; i < kPairs; ++i) rows.push_back(i);
  remove_rows(IndexLock(folder), rows);
  EXPECT_EQ(Memory(folder).nearest(Modality::image, image_ND_, 2, nullptr).max().item<std::int64_t>(), 0);
  remove_rows(IndexLock(folder), {0});
  testing::expect_user_error([&] { const Memory memory(folder); }, {"all entries of", "were removed"});
}

TEST_F(MemoryTest, LeavesOutByKeyAlone) {
  const Memory memory(write("memory"));
  const LeftOutPairs left_out{.keys = {key(5)},
                              .image_QD = image_ND_.narrow(0, 4, 1),
                              .text_QD = text_ND_.narrow(0, 5, 1),
                              .similarity = 1.5};
  const at::Tensor rows_QK = memory.nearest(Modality::image, image_ND_.narrow(0, 5, 1), kPairs, &left_out);
  EXPECT_EQ(rows_QK.ge(0).sum().item<std::int64_t>(), kPairs - 1);
  EXPECT_FALSE(rows_QK.eq(5).any().item<bool>());
}

// More than a block of them (src/memory/memory.cpp) comes before the first that stays.
TEST_F(MemoryTest, LeavesOutThousandsOfNearDuplicates) {
  constexpr std::int64_t kCopies = 2500, kOthers = 500;
  const at::Tensor query_1D = unit_rows(at::randn({1, kDims}));
  IndexRows rows;
  rows.features_ND[Side::image] = at::cat(
      {unit_rows(query_1D + 0.01 * at::randn({kCopies, kDims})), unit_rows(at::randn({kOthers, kDims}))});
  rows.features_ND[Side::text] = unit_rows(at::randn({kCopies + kOthers, kDims}));
  for (std::int64_t i = 0; i < kCopies + kOthers; ++i) {
    rows.entries.push_back({.key = key(i), .captions = {"caption"}});
    rows.content_hashes.push_back(static_cast<std::uint64_t>(i));
  }
  IndexWriter writer(folder_ / "repeated", kDims, /*has_thumbnails=*/false);
  writer.add(rows);
  writer.finish({.model = IndexModel{.hash = "1", .name = "m", .checkpoint = "c"}}, {});
  const LeftOutPairs left_out{
      .image_QD = query_1D, .text_QD = unit_rows(at::randn({1, kDims})), .similarity = 0.98};
  const Memory memory(folder_ / "repeated");
  const at::Tensor all_K = memory.nearest(Modality::image, query_1D, kCopies + 4, nullptr)[0];
  ASSERT_TRUE(all_K.narrow(0, 0, kCopies).lt(kCopies).all().item<bool>());
  EXPECT_TRUE(
      at::equal(memory.nearest(Modality::image, query_1D, 4, &left_out)[0], all_K.narrow(0, kCopies, 4)));
}

TEST_F(MemoryTest, LeavesOutInEveryKindOfIndexAndBesideRemovedEntries) {
  const std::vector<std::int64_t> removed = {3, 17, 30};
  for (const IndexKind kind : {IndexKind::exact, IndexKind::ivf, IndexKind::ivfpq, IndexKind::hnsw}) {
    const auto folder = write(std::string(enum_name(kind)), true, true, {.kind = kind, .lists = 4});
    remove_rows(IndexLock(folder), removed);
    const Memory memory(folder);
    const LeftOutPairs left_out{
        .keys = keys_, .image_QD = image_ND_, .text_QD = text_ND_, .similarity = 0.99};
    const at::Tensor rows_QK = memory.nearest(Modality::image, image_ND_, 5, &left_out);
    std::int64_t found = 0;
    for (std::int64_t query = 0; query < kPairs; ++query) {
      float last = 2;
      for (std::int64_t i = 0; i < 5; ++i) {
        const auto row = rows_QK[query][i].item<std::int64_t>();
        if (row < 0) continue;
        ++found;
        EXPECT_TRUE(row != query && row != (query + 20) % kPairs) << enum_name(kind) << ", query " << query;
        EXPECT_EQ(std::ranges::count(removed, row), 0);
        const auto score = memory.features(Modality::image, at::tensor({row}))[0].dot(image_ND_[query]);
        EXPECT_LE(score.item<float>(), last + 1e-5F);
        last = score.item<float>();
      }
    }
    EXPECT_GE(found, kind == IndexKind::exact ? 5 * kPairs : 3 * kPairs) << enum_name(kind);
  }
}

// An index has keys with what is no UTF-8 replaced; data has them as they are.
TEST_F(MemoryTest, LeavesOutByKeysInOtherEncodings) {
  keys_[5] = "caf\xe9.jpg";
  const auto folder = write("memory");
  remove_rows(IndexLock(folder), {0});
  compact_memory(IndexLock(folder), {});
  const Memory memory(folder);
  EXPECT_EQ(memory.index().find_key(keys_[5]), std::vector<std::int64_t>{4});
  const LeftOutPairs left_out{.keys = {keys_[5]},
                              .image_QD = image_ND_.narrow(0, 5, 1),
                              .text_QD = text_ND_.narrow(0, 5, 1),
                              .similarity = 1.5};
  const at::Tensor rows_QK = memory.nearest(Modality::image, image_ND_.narrow(0, 5, 1), kPairs, &left_out);
  EXPECT_FALSE(rows_QK.eq(4).any().item<bool>());
  EXPECT_EQ(rows_QK.ge(0).sum().item<std::int64_t>(), kPairs - 2);
}

TEST_F(MemoryTest, IdentityTellsWhatIsInIt) {
  const auto folder = write("memory");
  const std::string before = Memory(folder).identity();
  EXPECT_EQ(Memory(write("again")).identity(), before);
  remove_rows(IndexLock(folder), {2});
  const std::string removed = Memory(folder).identity();
  EXPECT_NE(removed, before);
  compact_memory(IndexLock(folder), {});
  EXPECT_NE(Memory(folder).identity(), removed);
  keys_[7] = "another";
  EXPECT_NE(Memory(write("other")).identity(), before);
}

// An index that another command writes anew meanwhile is read as it was, or as it is: never both.
class RacedMemoryTest : public MemoryTest, public ::testing::WithParamInterface<IndexKind> {};

TEST_P(RacedMemoryTest, OpensWhileItIsWrittenAnew) {
  const auto folder = write("memory", true, true, {.kind = GetParam(), .lists = 1});
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (std::int64_t i = 0; i < 30; ++i) {
      const IndexLock lock(folder);
      remove_rows(lock, {0});
      compact_memory(lock, {});
    }
    done = true;
  });
  std::int64_t opened = 0, smallest = kPairs;
  while (!done) {
    const SearchIndex index(folder);
    ++opened;
    smallest = std::min(smallest, index.size());
    for (std::int64_t row = 0; row < index.size(); ++row) EXPECT_FALSE(index.entry(row).key.empty());
    EXPECT_EQ(index.features(Side::text).count, index.size());
    EXPECT_EQ(std::ssize(index.search(PaddedQueries(text_ND_.narrow(0, 0, 1)), Side::text, 5).front()), 5);
  }
  writer.join();
  EXPECT_GT(opened, 0);
  EXPECT_EQ(SearchIndex(folder).size(), kPairs - 30);
}

INSTANTIATE_TEST_SUITE_P(Kinds, RacedMemoryTest,
                         ::testing::Values(IndexKind::exact, IndexKind::ivf, IndexKind::ivfpq,
                                           IndexKind::hnsw),
                         [](const auto& kind) { return std::string(enum_name(kind.param)); });

TEST_F(MemoryTest, NeedsBothSidesAndAModel) {
  testing::expect_user_error([&] { Memory memory(write("images", false)); },
                             {"images only", "cloob memory build"});
  testing::expect_user_error([&] { Memory memory(write("nobody", true, false)); },
                             {"does not say which model", "cloob memory build"});
  testing::expect_user_error([&] { Memory memory(folder_ / "missing"); }, {"missing"});
}

}  // namespace
}  // namespace cloob
