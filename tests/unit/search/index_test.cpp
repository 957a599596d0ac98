// Indexes as they are written, searched and damaged.

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/randn.h>
#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <map>
#include <numeric>
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

constexpr std::int64_t kDims = 24;

// Rows around a few centers, as features of classes are.
at::Tensor clustered(std::int64_t count) {
  const at::Tensor centers = at::randn({20, kDims});
  return unit_rows(centers.repeat({count / 20 + 1, 1}).narrow(0, 0, count) + 0.5 * at::randn({count, kDims}));
}

IndexRows make_rows(const at::Tensor& features_ND) {
  IndexRows rows;
  rows.features_ND[Side::image] = features_ND;
  for (std::int64_t i = 0; i < features_ND.size(0); ++i) {
    rows.entries.push_back({.key = "key " + std::to_string(i), .captions = {"caption " + std::to_string(i)}});
    rows.content_hashes.push_back(static_cast<std::uint64_t>(i) * 7 + 1);
    rows.thumbnails.push_back("jpeg " + std::to_string(i));
  }
  return rows;
}

const IndexModel kModel{"0123456789abcdef", "RN50", "/runs/a"};

IndexHeader write_index(const fs::path& folder, const at::Tensor& features_ND, const IndexLayout& layout,
                        FeatureType type = FeatureType::fp16) {
  IndexWriter writer(folder, kDims, /*has_thumbnails=*/true, type);
  const std::int64_t half = features_ND.size(0) / 2;
  writer.add(make_rows(features_ND.narrow(0, 0, half)));
  IndexRows rest = make_rows(features_ND);
  rest.features_ND[Side::image] = features_ND.narrow(0, half, features_ND.size(0) - half);
  rest.entries.erase(rest.entries.begin(), rest.entries.begin() + half);
  rest.content_hashes.erase(rest.content_hashes.begin(), rest.content_hashes.begin() + half);
  rest.thumbnails.erase(rest.thumbnails.begin(), rest.thumbnails.begin() + half);
  writer.add(rest);
  return writer.finish({.model = kModel, .skipped = 3, .sources = {"images"}}, layout);
}

double recall_at_10(const SearchIndex& index, const PaddedQueries& queries, const SearchOptions& options) {
  const auto exact = exact_search(queries, index.features(Side::image), 10);
  const auto found = index.search(queries, Side::image, 10, options);
  double hits = 0;
  for (std::size_t q = 0; q < exact.size(); ++q) {
    for (const Neighbor& neighbor : found[q]) {
      EXPECT_EQ(neighbor.score, inner_product(queries.query(static_cast<std::int64_t>(q)),
                                              index.features(Side::image), neighbor.row));
      hits += std::ranges::find(exact[q], neighbor) != exact[q].end() ? 1 : 0;
    }
  }
  return hits / static_cast<double>(exact.size() * 10);
}

TEST(SearchIndex, KeepsWhatWasAdded) {
  const TempDir folder;
  const at::Tensor features_ND = clustered(101);
  const IndexHeader written = write_index(folder / "index", features_ND, {});
  EXPECT_EQ(written.kind, IndexKind::exact);
  const SearchIndex index(folder / "index");
  EXPECT_EQ(index.size(), 101);
  EXPECT_EQ(index.header().dims, kDims);
  EXPECT_EQ(index.header().skipped, 3);
  EXPECT_EQ(index.header().model, kModel);
  EXPECT_EQ(index.header().sources, std::vector<std::string>{"images"});
  EXPECT_FALSE(index.has(Side::text));
  expect_user_error([&] { index.features(Side::text); }, {"no features of texts", "--texts"});
  testing::expect_close(to_float(index.features(Side::image)), features_ND.to(at::kHalf).to(at::kFloat), 0,
                        0);
  EXPECT_EQ(index.entry(100).key, "key 100");
  EXPECT_EQ(index.entry(49).captions.front(), "caption 49");
  EXPECT_EQ(index.thumbnail(77), "jpeg 77");
  EXPECT_EQ(index.find_key("key 50"), std::vector<std::int64_t>{50});
  EXPECT_TRUE(index.find_key("key 500").empty());
}

TEST(SearchIndex, OfEveryKindFindsNearlyAll) {
  const TempDir folder;
  const at::Tensor features_ND = clustered(5000);
  // Around other centers than the rows, as texts are apart from images: the harder case for lists and graphs.
  const PaddedQueries queries(clustered(40)), own(features_ND.narrow(0, 0, 40));
  for (const auto& [kind, least] : std::vector<std::pair<IndexKind, double>>{
           {IndexKind::exact, 1}, {IndexKind::ivf, 0.8}, {IndexKind::ivfpq, 0.8}, {IndexKind::hnsw, 0.95}}) {
    write_index(folder / "index", features_ND, {.kind = kind, .threads = 2});
    const SearchIndex index(folder / "index");
    EXPECT_GE(recall_at_10(index, queries, {}), least) << enum_name(kind);
    EXPECT_GE(recall_at_10(index, own, {}), least) << enum_name(kind);
    // What looks into everything finds everything.
    if (kind == IndexKind::ivf) {
      EXPECT_EQ(recall_at_10(index, queries, {.probes = 1 << 20}), 1);
      EXPECT_LT(recall_at_10(index, queries, {.probes = 1}), 1);
    }
    if (kind == IndexKind::ivfpq) {
      EXPECT_EQ(recall_at_10(index, queries, {.probes = 1 << 20, .rerank = 5000}), 1);
      EXPECT_LT(recall_at_10(index, queries, {.probes = 1}), 1);
      EXPECT_LT(recall_at_10(index, queries, {.probes = 1 << 20, .rerank = 1}), 1);
    }
    if (kind == IndexKind::hnsw) {
      EXPECT_LT(recall_at_10(SearchIndex(folder / "index", 10), queries, {}), 0.9);
    }
    for (const std::int64_t k : {1, 7, 4999, 5000, 100'000})
      EXPECT_EQ(std::ssize(index.search(own, Side::image, k, {.probes = 1}).front()),
                std::min<std::int64_t>(k, 5000))
          << enum_name(kind);
  }
}

TEST(SearchIndex, OfEveryKindStoresFp32) {
  const TempDir folder;
  const at::Tensor features_ND = clustered(3000);
  const PaddedQueries queries(clustered(20));
  for (const auto& [word, kind] : EnumNames<IndexKind>::names) {
    EXPECT_EQ(write_index(folder / "index", features_ND, {.kind = kind}, FeatureType::fp32).type,
              FeatureType::fp32);
    const SearchIndex index(folder / "index", 3000);
    EXPECT_EQ(index.header().type, FeatureType::fp32);
    testing::expect_close(to_float(index.features(Side::image)), features_ND, 0, 0);
    EXPECT_EQ(recall_at_10(index, queries, {.probes = 1 << 20, .rerank = 3000}), 1) << word;
  }
}

// All files, byte for byte.
TEST(SearchIndex, DoesNotDependOnThreads) {
  const TempDir folder;
  const at::Tensor features_ND = clustered(3000);
  for (const IndexKind kind : {IndexKind::ivf, IndexKind::ivfpq}) {
    const int threads = at::get_num_threads();
    for (const int number : {1, 3}) {
      at::set_num_threads(number);
      write_index(folder / std::to_string(number), features_ND, {.kind = kind, .threads = number});
    }
    at::set_num_threads(threads);
    for (const auto& entry : fs::directory_iterator(folder / "1"))
      EXPECT_EQ(read_file(entry.path()), read_file(folder / "3" / entry.path().filename())) << entry.path();
    const PaddedQueries queries(clustered(40));
    const SearchIndex index(folder / "1");
    EXPECT_EQ(index.search(queries, Side::image, 9, {.threads = 1}),
              index.search(queries, Side::image, 9, {.threads = 3}));
  }
}

TEST(SearchIndex, IsExactBelowASize) {
  const TempDir folder;
  const at::Tensor features_ND = clustered(64);
  EXPECT_EQ(write_index(folder / "a", features_ND, {.exact_below = 65}).kind, IndexKind::exact);
  EXPECT_EQ(write_index(folder / "a", features_ND, {.exact_below = 64}).kind, IndexKind::ivf);
  EXPECT_EQ(IndexLayout().exact_below, 1'000'000);
}

TEST(SearchIndex, HasDefaultsThatGrowWithIt) {
  EXPECT_EQ(default_lists(10), 1);
  EXPECT_EQ(default_lists(1'000'000), 4000);
  EXPECT_EQ(default_probes(IndexKind::ivf, 4000), 62);
  EXPECT_EQ(default_probes(IndexKind::ivfpq, 4000), 125);
  EXPECT_EQ(default_probes(IndexKind::ivf, 100), 16);
  EXPECT_EQ(default_probes(IndexKind::ivf, 7), 7);
  EXPECT_EQ(default_rerank(10), 200);
  EXPECT_EQ(default_rerank(100), 400);
}

TEST(SearchIndex, OfFewEntriesCanBeOfAnyKind) {
  const TempDir folder;
  for (const std::int64_t count : {2, 3, 5}) {
    for (const IndexKind kind : {IndexKind::exact, IndexKind::ivf, IndexKind::ivfpq, IndexKind::hnsw}) {
      const at::Tensor features_ND = clustered(count);
      write_index(folder / "index", features_ND, {.kind = kind, .lists = 2, .links = 2});
      const SearchIndex index(folder / "index");
      const auto found = index.search(PaddedQueries(features_ND), Side::image, 9);
      for (std::int64_t q = 0; q < count; ++q) {
        EXPECT_EQ(std::ssize(found[static_cast<std::size_t>(q)]), count);
        EXPECT_EQ(found[static_cast<std::size_t>(q)].front().row, q);
      }
    }
  }
}

TEST(SearchDistinct, ShowsCopiesOnce) {
  const TempDir folder;
  const at::Tensor three = clustered(3);
  IndexRows rows = make_rows(at::cat({three.narrow(0, 0, 1).repeat({50, 1}), three}));
  for (std::size_t i = 0; i < 51; ++i) rows.content_hashes[i] = 5;
  rows.entries[52].key = "key 0";
  IndexWriter writer(folder / "index", kDims, true);
  writer.add(rows);
  writer.finish({}, {});
  const SearchIndex index(folder / "index");
  const PaddedQueries query(three.narrow(0, 0, 1));
  const SearchAnswer two = search_distinct(index, query, Side::image, 2, std::nullopt);
  ASSERT_EQ(two.results.size(), 2u);
  EXPECT_FALSE(two.is_all);
  EXPECT_EQ(two.results[0].row, 0);
  EXPECT_EQ(two.results[0].copies.size(), 50u);
  EXPECT_TRUE(two.results[1].copies.empty());
  const SearchAnswer all = search_distinct(index, query, Side::image, 10, std::nullopt);
  EXPECT_EQ(all.results.size(), 3u);
  EXPECT_TRUE(all.is_all);
  // What asks with an entry does not get it back, nor its copies.
  const SearchAnswer others = search_distinct(index, query, Side::image, 10, 3);
  ASSERT_EQ(others.results.size(), 2u);
  EXPECT_GE(others.results[0].row, 51);
  EXPECT_TRUE(others.is_all);
  EXPECT_EQ(index.find_key("key 0"), (std::vector<std::int64_t>{0, 52}));
}

TEST(IndexWriter, LeavesAnOlderIndexUntilTheNewOneIsComplete) {
  const TempDir folder;
  const fs::path path = folder / "index";
  write_index(path, clustered(10), {});
  {
    IndexWriter writer(path, kDims, true);
    writer.add(make_rows(clustered(7)));
    EXPECT_EQ(SearchIndex(path).size(), 10);
    EXPECT_THROW(writer.finish({}, {}, [] { return true; }), IndexingStopped);
  }
  EXPECT_EQ(SearchIndex(path).size(), 10);
  const SearchIndex opened(path);
  write_index(path, clustered(8), {});
  EXPECT_EQ(SearchIndex(path).size(), 8);
  EXPECT_EQ(opened.entry(9).key, "key 9");  // what is open stays whole
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()), 1);
}

TEST(IndexWriter, ReplacesNothingElse) {
  const TempDir folder;
  testing::write_text(folder / "images/index.json", "{\"written_by\": \"me\"}");
  testing::write_text(folder / "file", "");
  expect_user_error([&] { require_index_output(folder / "images"); }, {"is not an index", "not replaced"});
  expect_user_error([&] { require_index_output(folder / "file"); }, {"is a file"});
  expect_user_error([&] { require_index_output(""); }, {"empty"});
  IndexWriter writer(folder / "new", kDims, true);
  expect_user_error([&] { writer.finish({}, {}); }, {"nothing to index"});
}

// An index of every kind, whose files are damaged one at a time.
class DamagedIndex : public ::testing::TestWithParam<IndexKind> {
 protected:
  void SetUp() override { write_index(path(), clustered(60), {.kind = GetParam(), .lists = 4}); }
  fs::path path() const { return folder_ / "index"; }
  std::string name_of(const std::string& file) const { return (path() / file).string(); }

  void edit_header(const std::function<void(nlohmann::json&)>& edit) const {
    auto json = parse_json(read_file(path() / kIndexFile));
    edit(json);
    testing::write_text(path() / kIndexFile, json.dump());
  }
  void expect_rejected(std::initializer_list<std::string> parts) const {
    expect_user_error([&] { SearchIndex{path()}; }, parts);
    try {
      SearchIndex{path()};
    } catch (const UserError& error) {
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    }
  }
  void overwrite(const std::string& file, std::size_t at, std::int64_t number, std::size_t bytes) const {
    std::string content = read_file(path() / file);
    std::memcpy(content.data() + at, &number, bytes);
    testing::write_text(path() / file, content);
  }

  TempDir folder_;
};

TEST_P(DamagedIndex, IsRejectedIfAFileHasAnotherSize) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(path())) files.push_back(entry.path());
  for (const fs::path& file : files) {
    if (file.filename() == kIndexFile) continue;
    const std::string whole = read_file(file);
    testing::write_text(file, whole.substr(0, whole.size() - 1));
    expect_rejected({file.string(), "truncated"});
    testing::write_text(file, whole + "x");
    expect_rejected({file.string(), "does not belong"});
    fs::remove(file);
    expect_rejected({file.string(), "not complete"});
    testing::write_text(file, whole);
  }
  EXPECT_EQ(SearchIndex(path()).size(), 60);
}

TEST_P(DamagedIndex, IsRejectedIfItsHeaderIsWrong) {
  const std::string whole = read_file(path() / kIndexFile);
  const auto expect_wrong = [&](const std::function<void(nlohmann::json&)>& edit,
                                std::initializer_list<std::string> parts) {
    edit_header(edit);
    expect_rejected(parts);
    testing::write_text(path() / kIndexFile, whole);
  };
  expect_wrong([](auto& json) { json["format_version"] = 3; },
               {"format version 3", "reads versions 1 to 2", "newer program"});
  expect_wrong([](auto& json) { json["format_version"] = 0; }, {"format version 0"});
  expect_wrong([](auto& json) { json["count"] = 61; }, {"bytes", "expected"});
  expect_wrong([](auto& json) { json["count"] = 1'000'000'000; }, {"truncated"});
  expect_wrong([](auto& json) { json["count"] = 9'000'000'000'000'000'000; }, {"count"});
  expect_wrong([](auto& json) { json["count"] = 0; }, {"count"});
  expect_wrong([](auto& json) { json["count"] = "60"; }, {"count"});
  expect_wrong([](auto& json) { json["dims"] = 12; }, {"does not belong"});
  expect_wrong([](auto& json) { json["dims"] = -1; }, {"dims"});
  expect_wrong([](auto& json) { json["dtype"] = "float64"; }, {"float64"});
  expect_wrong([](auto& json) { json["dtype"] = json["dtype"] == "float16" ? "float32" : "float16"; },
               {"bytes"});
  expect_wrong([](auto& json) { json["kind"] = "pq"; }, {"kind", "pq"});
  expect_wrong([](auto& json) { json.erase("features"); }, {"features"});
  expect_wrong([](auto& json) { json["features"] = 3; }, {"features"});
  expect_wrong([](auto& json) { json["features"]["text"] = json["features"]["image"]; },
               {"text.features", "not complete"});
  expect_wrong([](auto& json) { json["model"] = "RN50"; }, {"hash"});
  expect_wrong([](auto& json) { json["files"] = 3; }, {"entries.jsonl"});
  expect_wrong([](auto& json) { json["removed"] = 61; }, {"removed"});
  expect_wrong([](auto& json) { json["removed"] = 2; }, {"removed.2.rows", "not complete"});
  expect_wrong([](auto& json) { json["verified"] = 1; }, {"verified"});
  expect_wrong([](auto& json) { json["deduplicated"] = 1; }, {"deduplicated"});
  expect_wrong([](auto& json) { json["written_by"] = "me"; }, {"was not written by cloob index"});
  expect_wrong([](auto& json) { json = nlohmann::json::array(); }, {"written_by"});
  for (const char* text : {"", "{", "null", "\x89PNG"}) {
    testing::write_text(path() / kIndexFile, text);
    expect_rejected({"index.json"});
  }
  fs::remove(path() / kIndexFile);
  expect_rejected({"is not an index", "cloob index"});
  expect_user_error([&] { SearchIndex{folder_ / "none"}; }, {"there is no folder"});
}

TEST_P(DamagedIndex, DoesNotReadOutsideItsFiles) {
  overwrite("entries.offsets", 8, 1 << 30, 8);
  const SearchIndex index(path());
  expect_user_error([&] { index.entry(0); }, {"entries.offsets", "entry 0"});
  expect_user_error([&] { index.entry(1); }, {"entries.offsets", "entry 1"});
  EXPECT_EQ(index.entry(2).key, "key 2");
  overwrite("entries.jsonl", 0, 0, 8);
  expect_user_error([&] { SearchIndex(path()).entry(0); }, {"entries"});
}

TEST_P(DamagedIndex, HasNoListsOrLinksThatLeadOutside) {
  const PaddedQueries query(clustered(1));
  if (GetParam() == IndexKind::ivf || GetParam() == IndexKind::ivfpq) {
    const std::string lists = fmt::format("image.{}", enum_name(GetParam()));
    const std::string rows = read_file(path() / (lists + ".rows"));
    for (const std::int64_t row : {-1, 60}) {
      overwrite(lists + ".rows", 0, row, 8);
      expect_user_error([&] { SearchIndex(path()).search(query, Side::image, 15, {.probes = 4}); },
                        {lists + ".rows", fmt::format("entry {} of 60", row)});
    }
    testing::write_text(path() / (lists + ".rows"), rows);
    for (const std::int64_t offset : {-1, 1000}) {
      overwrite(lists + ".offsets", 8, offset, 8);
      expect_rejected({lists + ".offsets", "damaged"});
    }
  }
  if (GetParam() == IndexKind::ivfpq) {
    edit_header([](auto& json) { json["features"]["image"]["ivfpq"]["code_bytes"] = 25; });
    expect_rejected({"code_bytes"});
    edit_header([](auto& json) { json["features"]["image"]["ivfpq"]["code_bytes"] = 23; });
    expect_rejected({"23 bytes for 24 numbers"});
  }
  if (GetParam() == IndexKind::hnsw) {
    const std::string links = read_file(path() / "image.hnsw.links"),
                      levels = read_file(path() / "image.hnsw.levels");
    for (const std::int64_t link : {60, -2, 1 << 30}) {
      overwrite("image.hnsw.links", 0, link, 4);
      expect_rejected({"image.hnsw", "a link leads"});
    }
    testing::write_text(path() / "image.hnsw.links", links);
    for (const std::int64_t level : {0, -1, 1000}) {
      overwrite("image.hnsw.levels", 0, level, 4);
      expect_rejected({"image.hnsw", "layers"});
    }
    testing::write_text(path() / "image.hnsw.levels", levels);
    edit_header([](auto& json) { json["features"]["image"]["hnsw"]["max_layer"] = 7; });
    expect_rejected({"entry point"});
    edit_header([](auto& json) { json["features"]["image"]["hnsw"]["entry_point"] = 60; });
    expect_rejected({"entry_point"});
  }
}

INSTANTIATE_TEST_SUITE_P(OfEveryKind, DamagedIndex,
                         ::testing::Values(IndexKind::exact, IndexKind::ivf, IndexKind::ivfpq,
                                           IndexKind::hnsw),
                         [](const auto& tested) { return std::string(enum_name(tested.param)); });

}  // namespace
}  // namespace cloob
