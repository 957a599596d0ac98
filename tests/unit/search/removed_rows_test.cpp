// Entries that were removed from an index.

#include "cloob/search/removed_rows.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/randn.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/full_precision.h"
#include "cloob/base/json.h"
#include "cloob/search/index_writer.h"
#include "cloob/search/search_index.h"
#include "support/support.h"
#include "support/test_files.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;
using testing::expect_user_error;
using testing::TempDir;
using Rows = std::vector<std::int64_t>;

constexpr std::int64_t kDims = 16, kCount = 400;

IndexHeader write_index(const fs::path& folder, const at::Tensor& features_ND, IndexKind kind) {
  IndexWriter writer(folder, kDims, /*has_thumbnails=*/false);
  IndexRows rows;
  rows.features_ND[Side::image] = features_ND;
  for (std::int64_t i = 0; i < features_ND.size(0); ++i) {
    rows.entries.push_back({.key = "key " + std::to_string(i / 2)});  // each twice
    rows.content_hashes.push_back(static_cast<std::uint64_t>(i / 4));
  }
  writer.add(rows);
  return writer.finish({.sources = {"images"}}, {.kind = kind, .lists = 8});
}

class RemovedRowsOf : public ::testing::TestWithParam<IndexKind> {
 protected:
  void SetUp() override { write_index(path_, features_ND_, GetParam()); }
  void remove(const Rows& rows) const { remove_rows(IndexLock(path_), rows); }

  TempDir folder_;
  fs::path path_ = folder_ / "index";
  at::Tensor features_ND_ = unit_rows(at::randn({kCount, kDims}));
};

TEST_P(RemovedRowsOf, AreNotFound) {
  const PaddedQueries queries(features_ND_.narrow(0, 0, 20));
  Rows removed;
  for (const auto& found : SearchIndex(path_).search(queries, Side::image, 3)) {
    for (const Neighbor& neighbor : found) removed.push_back(neighbor.row);
  }
  remove(removed);
  const std::set<std::int64_t> gone(removed.begin(), removed.end());
  const SearchIndex index(path_);
  EXPECT_EQ(index.size(), kCount);
  EXPECT_EQ(index.alive(), kCount - std::ssize(gone));
  for (std::int64_t row = 0; row < kCount; ++row) EXPECT_EQ(index.is_removed(row), gone.contains(row));
  // For few and for all: the former by lists and graph, the latter by each row.
  for (const std::int64_t k : {5, 60, 1000}) {
    const auto exact = exact_search(queries, index.features(Side::image), kCount, 2);
    const auto found = index.search(queries, Side::image, k, {.probes = 8, .threads = 2});
    for (std::size_t q = 0; q < found.size(); ++q) {
      std::vector<Neighbor> expected = exact[q];
      std::erase_if(expected, [&](const Neighbor& neighbor) { return gone.contains(neighbor.row); });
      expected.resize(std::min<std::size_t>(expected.size(), static_cast<std::size_t>(k)));
      EXPECT_EQ(found[q], expected) << q << " " << k;
    }
  }
}

TEST_P(RemovedRowsOf, LeaveTheOthersWhereTheyAre) {
  remove({5, 4});
  remove({5, 6, 399});
  const SearchIndex index(path_);
  EXPECT_EQ(index.removed().rows(), (Rows{4, 5, 6, 399}));
  EXPECT_EQ(index.header().removed, 4);
  EXPECT_EQ(index.header().sources, std::vector<std::string>{"images"});
  EXPECT_FALSE(fs::exists(path_ / "removed.2.rows"));
  EXPECT_EQ(index.find_key("key 3"), Rows{7});
  EXPECT_EQ(index.find_keys({"key 2", "none", "key 3", "key 0", "key 3"}),
            (std::vector<Rows>{{}, {}, {7}, {0, 1}, {7}}));
  EXPECT_EQ(index.copies_of({7}), (std::vector<Rows>{{7}}));
  EXPECT_EQ(index.entry(8).key, "key 4");
  const SearchAnswer answer =
      search_distinct(index, PaddedQueries(features_ND_.narrow(0, 0, 1)), Side::image, 1000, std::nullopt);
  EXPECT_TRUE(answer.is_all);
  EXPECT_EQ(std::ssize(answer.results), kCount / 4);
}

TEST_P(RemovedRowsOf, CanBeAll) {
  Rows all;
  for (std::int64_t row = 0; row < kCount; ++row) all.push_back(row);
  remove(all);
  const SearchIndex index(path_);
  const PaddedQueries query(features_ND_.narrow(0, 0, 1));
  EXPECT_EQ(index.alive(), 0);
  EXPECT_TRUE(index.search(query, Side::image, 5).front().empty());
  EXPECT_TRUE(search_distinct(index, query, Side::image, 5, std::nullopt).results.empty());
}

TEST_P(RemovedRowsOf, AreRejectedIfDamaged) {
  remove({5, 4});
  const fs::path file = path_ / "removed.2.rows";
  const std::string whole = read_file(file);
  const auto expect_rejected = [&](const std::string& content, std::initializer_list<std::string> parts) {
    testing::write_text(file, content);
    expect_user_error([&] { SearchIndex{path_}; }, parts);
  };
  expect_rejected(whole.substr(0, 15), {"removed.2.rows", "truncated"});
  expect_rejected(whole + whole, {"removed.2.rows", "does not belong"});
  expect_rejected(whole.substr(8) + whole.substr(0, 8),
                  {"removed.2.rows", "damaged", "400 entries in order"});
  expect_rejected(whole.substr(0, 8) + whole.substr(0, 8), {"removed.2.rows", "damaged"});
  expect_rejected(whole.substr(0, 8) + std::string("\x90\x01\0\0\0\0\0\0", 8), {"removed.2.rows", "damaged"});
  expect_rejected(std::string(8, '\xff') + whole.substr(8), {"removed.2.rows", "damaged"});
  fs::remove(file);
  expect_user_error([&] { SearchIndex{path_}; }, {"removed.2.rows", "not complete"});
}

INSTANTIATE_TEST_SUITE_P(EveryKind, RemovedRowsOf,
                         ::testing::Values(IndexKind::exact, IndexKind::ivf, IndexKind::ivfpq,
                                           IndexKind::hnsw),
                         [](const auto& tested) { return std::string(enum_name(tested.param)); });

TEST(RemoveRows, ChangesTheHeaderWithThem) {
  const TempDir folder;
  const fs::path path = folder / "index";
  write_index(path, unit_rows(at::randn({10, kDims})), IndexKind::exact);
  const SearchIndex opened(path);
  remove_rows(IndexLock(path), {3}, [](IndexHeader& header) {
    header.is_verified = false;
    header.check = {.images = 3, .captions = 4, .lowest_cosine = 0.5};
    header.deduplicated = {
        {.data = "cars", .split = "test", .threshold = 0.95, .images = 7, .removed = 1, .added_since = 2}};
    header.build = "abc";
  });
  remove_rows(IndexLock(path), {});
  EXPECT_EQ(opened.alive(), 10);
  const IndexHeader header = read_index_header(path);
  EXPECT_EQ(header.removed, 1);
  EXPECT_FALSE(header.is_verified);
  EXPECT_EQ(header.check->images, 3);
  EXPECT_EQ(header.check->captions, 4);
  EXPECT_EQ(header.check->lowest_cosine, 0.5);
  ASSERT_EQ(header.deduplicated.size(), 1u);
  EXPECT_EQ(header.deduplicated[0].data, "cars");
  EXPECT_EQ(header.deduplicated[0].split, "test");
  EXPECT_EQ(header.deduplicated[0].threshold, 0.95);
  EXPECT_EQ(header.deduplicated[0].images, 7);
  EXPECT_EQ(header.deduplicated[0].removed, 1);
  EXPECT_EQ(header.deduplicated[0].added_since, 2);
  EXPECT_EQ(header.build, "abc");
  EXPECT_EQ(SearchIndex(path).removed().rows(), Rows{3});
}

TEST(RemoveRows, AreOfOneCommandAtATime) {
  const TempDir folder;
  write_index(folder / "index", unit_rows(at::randn({10, kDims})), IndexKind::exact);
  const IndexLock lock(folder / "index");
  expect_user_error([&] { IndexLock{folder / "index"}; }, {"another command is changing"});
  EXPECT_EQ(SearchIndex(folder / "index").size(), 10);
  expect_user_error([&] { IndexLock{folder / "none"}; }, {"there is no folder"});
}

// What was written before entries could be removed.
TEST(IndexHeader, OfVersion1IsRead) {
  const TempDir folder;
  const fs::path path = folder / "index";
  write_index(path, unit_rows(at::randn({10, kDims})), IndexKind::exact);
  auto json = parse_json(read_file(path / kIndexFile));
  json["format_version"] = 1;
  json.erase("removed");
  json.erase("verified");
  testing::write_text(path / kIndexFile, json.dump());
  EXPECT_EQ(SearchIndex(path).alive(), 10);
  EXPECT_TRUE(read_index_header(path).is_verified);
}

}  // namespace
}  // namespace cloob
