#include "cloob/search/index_benchmark.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>

#include <string>

#include "cloob/base/full_precision.h"
#include "search/synthetic_features.h"
#include "support/support.h"

namespace cloob {
namespace {

using testing::TempDir;

TEST(SyntheticFeatures, AreAFunctionOfTheSeed) {
  const SyntheticFeatures features(5000, 40, 3), same(5000, 40, 3), other(5000, 40, 4);
  EXPECT_TRUE(features.block(0).equal(same.block(0)));
  EXPECT_TRUE(features.queries(5).equal(same.queries(5)));
  EXPECT_FALSE(features.block(0).equal(other.block(0)));
  EXPECT_EQ(features.block(1).size(0), 5000 - SyntheticFeatures::kBlockRows);
  EXPECT_FALSE(features.block(0).narrow(0, 0, 904).equal(features.block(1)));
}

TEST(SyntheticFeatures, AreApartAsTheDocumentationSays) {
  const at::Tensor rows_ND = SyntheticFeatures(4096, 512, 0).block(0);
  testing::expect_close(rows_ND.square().sum(1), at::ones({4096}), 0, 1e-5);
  at::Tensor scores_NN = at::matmul(rows_ND, rows_ND.t());
  EXPECT_NEAR(scores_NN.mean().item<double>(), 0.5, 0.03);
  scores_NN.fill_diagonal_(0);
  const double nearest = std::get<0>(scores_NN.max(1)).mean().item<double>();
  EXPECT_GT(nearest, 0.7);
  EXPECT_LT(nearest, 0.99);
}

TEST(IndexBenchmark, BuildsAndSearchesEveryKind) {
  const TempDir folder;
  for (const auto& [word, kind] : EnumNames<IndexKind>::names) {
    const BuildResult build =
        benchmark_build(folder / "index", {.count = 6000, .dims = 32, .layout = {.kind = kind}, .seed = 1});
    EXPECT_GT(build.total_seconds, 0);
    EXPECT_GT(build.peak_rss_gib, build.peak_anonymous_gib);
    std::vector<std::string> stages;
    for (const auto& [stage, seconds] : build.stages) stages.push_back(stage);
    const IndexBytes bytes = bytes_of_index(folder / "index");
    EXPECT_GE(bytes.all, 6000u * 32 * 2);
    EXPECT_EQ(bytes.organizing == 0, kind == IndexKind::exact);
    const SearchBenchmarkResult searches = benchmark_search(
        folder / "index", 30, 10, {{.probes = 1}, {.probes = 1'000'000, .rerank = 6000}}, 256);
    ASSERT_EQ(searches.searches.size(), 2u);
    if (kind == IndexKind::exact) {
      EXPECT_THAT(stages, ::testing::ElementsAre("sync"));
      EXPECT_EQ(searches.searches[0].recall, 1);
    } else if (kind == IndexKind::hnsw) {
      EXPECT_THAT(stages, ::testing::ElementsAre("sync", "graph"));
      EXPECT_GT(searches.searches[0].recall, 0.9);
    } else {
      if (kind == IndexKind::ivfpq) {
        EXPECT_THAT(stages, ::testing::ElementsAre("sync", "centroids", "codebooks", "assignment", "lists"));
      }
      EXPECT_LT(searches.searches[0].recall, 1);
      EXPECT_EQ(searches.searches[1].recall, 1);
    }
    for (const MeasuredSearch& search : searches.searches) {
      EXPECT_LE(search.median_ms, search.p99_ms);
      EXPECT_GT(search.queries_per_second, 0);
    }
  }
}

TEST(IndexBenchmark, AsksOtherIndexesWithTheirOwnRows) {
  const TempDir folder;
  IndexWriter writer(folder / "index", 16, false);
  IndexRows rows;
  rows.features_ND[Side::text] = unit_rows(at::randn({40, 16}));
  rows.entries.resize(40);
  rows.content_hashes.resize(40);
  writer.add(rows);
  writer.finish({.sources = {"captions.csv"}}, {});
  const at::Tensor queries_QD = benchmark_queries(SearchIndex(folder / "index"), 10);
  const at::Tensor cosines_Q = (queries_QD * rows.features_ND[Side::text].slice(0, 0, 40, 4)).sum(1);
  EXPECT_GT(cosines_Q.min().item<double>(), 0.6);
  EXPECT_LT(cosines_Q.max().item<double>(), 1);
  EXPECT_EQ(benchmark_search(folder / "index", 10, 10, {{}}, 256).searches.front().recall, 1);
}

TEST(IndexBenchmark, RefusesWhatDoesNotFitOntoTheDisk) {
  const TempDir folder;
  testing::expect_user_error([&] { benchmark_build(folder / "index", {.count = 1'000'000'000'000}); },
                             {"GiB free", "--out"});
}

}  // namespace
}  // namespace cloob
