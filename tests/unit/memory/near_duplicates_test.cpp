#include "cloob/memory/near_duplicates.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/randn.h>

#include <filesystem>
#include <string>
#include <vector>

#include "cloob/base/full_precision.h"
#include "cloob/memory/rewrite_memory.h"
#include "support/support.h"

namespace cloob {
namespace {

using testing::expect_user_error;
using testing::TempDir;
using Rows = std::vector<std::int64_t>;

constexpr std::int64_t kDims = 12, kCount = 700;

void write_index(const std::filesystem::path& folder, Side side, const at::Tensor& features_ND,
                 IndexKind kind) {
  IndexWriter writer(folder, kDims, /*has_thumbnails=*/false);
  IndexRows rows;
  rows.features_ND[side] = features_ND;
  for (std::int64_t i = 0; i < features_ND.size(0); ++i) {
    rows.entries.push_back({.key = std::to_string(i), .captions = {"caption " + std::to_string(i)}});
    rows.content_hashes.push_back(static_cast<std::uint64_t>(i));
  }
  writer.add(rows);
  writer.finish({.sources = {"images"}}, {.kind = kind, .lists = 5});
}

// The definition: all inner products, of what the index stores.
Rows by_definition(const SearchIndex& index, const at::Tensor& images_MD, double threshold) {
  const at::Tensor scores_NM =
      at::matmul(to_float(index.features(Side::image)).to(at::kDouble), images_MD.to(at::kDouble).t());
  Rows rows;
  for (std::int64_t row = 0; row < index.size(); ++row) {
    if (scores_NM[row].max().item<double>() >= threshold && !index.is_removed(row)) rows.push_back(row);
  }
  return rows;
}

TEST(NearDuplicates, AreThoseOfTheDefinition) {
  for (const IndexKind kind : {IndexKind::exact, IndexKind::ivf, IndexKind::ivfpq, IndexKind::hnsw}) {
    const TempDir folder;
    const at::Tensor features_ND = unit_rows(at::randn({kCount, kDims}));
    write_index(folder / "index", Side::image, features_ND, kind);
    const at::Tensor images_MD =
        at::cat({unit_rows(at::randn({150, kDims})), features_ND.narrow(0, 690, 10)});
    for (const double threshold : {0.5, 0.75, 0.99}) {
      const SearchIndex index(folder / "index");
      const Rows found = find_near_duplicates(index, images_MD, {.threshold = threshold, .threads = 3});
      EXPECT_EQ(found, by_definition(index, images_MD, threshold)) << threshold;
      EXPECT_FALSE(found.empty());
    }
    remove_rows(IndexLock(folder / "index"), {695});
    EXPECT_EQ(find_near_duplicates(SearchIndex(folder / "index"), images_MD, {.threshold = 0.999}),
              (Rows{690, 691, 692, 693, 694, 696, 697, 698, 699}));
  }
}

TEST(NearDuplicates, NeedImages) {
  const TempDir folder;
  write_index(folder / "index", Side::text, unit_rows(at::randn({5, kDims})), IndexKind::exact);
  const SearchIndex index(folder / "index");
  expect_user_error([&] { find_near_duplicates(index, at::randn({2, kDims}), {}); },
                    {"no features of images"});
}

TEST(CompactMemory, KeepsTheOthersAsTheyAre) {
  for (const IndexKind kind : {IndexKind::exact, IndexKind::ivf, IndexKind::ivfpq, IndexKind::hnsw}) {
    const TempDir folder;
    const at::Tensor features_ND = unit_rows(at::randn({kCount, kDims}));
    write_index(folder / "index", Side::image, features_ND, kind);
    remove_rows(IndexLock(folder / "index"), {0, 3, 4, 698});
    compact_memory(IndexLock(folder / "index"), {});
    const SearchIndex index(folder / "index");
    EXPECT_EQ(index.header().kind, kind);
    EXPECT_EQ(index.size(), kCount - 4);
    EXPECT_EQ(index.alive(), kCount - 4);
    EXPECT_EQ(index.header().sources, std::vector<std::string>{"images"});
    if (kind == IndexKind::ivf) {
      EXPECT_EQ(index.header().sides.at(Side::image).ivf->lists, 5);
    }
    const std::vector<std::pair<std::int64_t, std::int64_t>> moved = {{0, 1}, {1, 2}, {2, 5}, {695, 699}};
    for (const auto& [row, old_row] : moved) {
      EXPECT_EQ(index.entry(row).key, std::to_string(old_row));
      EXPECT_EQ(index.entry(row).captions.front(), "caption " + std::to_string(old_row));
      EXPECT_EQ(index.content_hash(row), static_cast<std::uint64_t>(old_row));
      testing::expect_close(to_float(index.features(Side::image).part(row, 1)),
                            features_ND.narrow(0, old_row, 1).to(at::kHalf).to(at::kFloat), 0, 0);
    }
    EXPECT_TRUE(index.find_key("3").empty());
  }
}

TEST(CompactMemory, StaysAsItWasIfItIsStopped) {
  const TempDir folder;
  write_index(folder / "index", Side::image, unit_rows(at::randn({9, kDims})), IndexKind::exact);
  remove_rows(IndexLock(folder / "index"), {2});
  EXPECT_THROW(compact_memory(IndexLock(folder / "index"), {.stop_requested = [] { return true; }}),
               IndexingStopped);
  EXPECT_EQ(SearchIndex(folder / "index").size(), 9);
  remove_rows(IndexLock(folder / "index"), {0, 1, 3, 4, 5, 6, 7, 8});
  expect_user_error([&] { compact_memory(IndexLock(folder / "index"), {}); }, {"only removed entries"});
}

}  // namespace
}  // namespace cloob
