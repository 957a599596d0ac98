#include "cloob/search/feature_rows.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Generator.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/topk.h>
#include <ATen/ops/zeros.h>

#include <limits>

#include "cloob/base/full_precision.h"
#include "search/inner_product.h"
#include "support/support.h"

namespace cloob {
namespace {

// Rows in memory of their own.
struct OwnedRows {
  std::vector<std::byte> bytes;
  FeatureRows rows;
  explicit OwnedRows(const at::Tensor& rows_ND, FeatureType type = FeatureType::fp16)
      : bytes(to_bytes(rows_ND, type)), rows{bytes.data(), rows_ND.size(0), rows_ND.size(1), type} {}
};

at::Tensor unit(std::int64_t count, std::int64_t dims) { return unit_rows(at::randn({count, dims})); }

TEST(ExactSearch, EqualsMatmulAndTopk) {
  for (const std::int64_t dims : {1, 7, 8, 20, 64, 513}) {
    const OwnedRows owned(unit(3000, dims), dims % 2 == 0 ? FeatureType::fp16 : FeatureType::fp32);
    const at::Tensor queries_QD = unit(70, dims);  // more than a block of queries
    const std::int64_t k = 12;
    const auto found = exact_search(PaddedQueries(queries_QD), owned.rows, k, 3);
    const at::Tensor scores_QN = at::matmul(queries_QD, to_float(owned.rows).t());
    const auto [best_QK, unused] = at::topk(scores_QN, k);
    ASSERT_EQ(found.size(), 70u);
    for (std::int64_t q = 0; q < 70; ++q) {
      const std::vector<Neighbor>& neighbors = found[static_cast<std::size_t>(q)];
      ASSERT_EQ(std::ssize(neighbors), k);
      for (std::int64_t i = 0; i < k; ++i) {
        const Neighbor& neighbor = neighbors[static_cast<std::size_t>(i)];
        EXPECT_NEAR(neighbor.score, best_QK[q][i].item<float>(), 1e-5);
        EXPECT_NEAR(neighbor.score, scores_QN[q][neighbor.row].item<float>(), 1e-5);
      }
      EXPECT_TRUE(std::ranges::is_sorted(neighbors, is_better));
    }
  }
}

TEST(ExactSearch, DoesNotDependOnThreadsOrOtherQueries) {
  const OwnedRows owned(unit(5000, 40));
  const at::Tensor queries_QD = unit(9, 40);
  const auto together = exact_search(PaddedQueries(queries_QD), owned.rows, 7, 1);
  EXPECT_EQ(together, exact_search(PaddedQueries(queries_QD), owned.rows, 7, 4));
  for (std::int64_t q = 0; q < 9; ++q) {
    const PaddedQueries alone(queries_QD.narrow(0, q, 1));
    EXPECT_EQ(exact_search(alone, owned.rows, 7, 2).front(), together[static_cast<std::size_t>(q)]);
    const Neighbor& first = together[static_cast<std::size_t>(q)].front();
    EXPECT_EQ(inner_product(alone.query(0), owned.rows, first.row), first.score);
  }
}

TEST(ExactSearch, OrdersEqualScoresByRow) {
  at::Tensor rows_ND = at::zeros({4000, 8});
  rows_ND.select(1, 0).fill_(0.5);
  const OwnedRows owned(rows_ND);
  const auto found = exact_search(PaddedQueries(rows_ND.narrow(0, 0, 1)), owned.rows, 5, 3).front();
  for (std::int64_t i = 0; i < 5; ++i) EXPECT_EQ(found[static_cast<std::size_t>(i)], (Neighbor{i, 0.25f}));
}

TEST(ExactSearch, GivesAllIfThereAreFewer) {
  const OwnedRows owned(unit(3, 8));
  EXPECT_EQ(exact_search(PaddedQueries(unit(1, 8)), owned.rows, 1000, 2).front().size(), 3u);
}

TEST(ExactSearch, LeavesOutWhatIsNotANumber) {
  at::Tensor rows_ND = unit(5, 8);
  rows_ND[2].fill_(std::numeric_limits<float>::quiet_NaN());
  const OwnedRows owned(rows_ND);
  const auto found = exact_search(PaddedQueries(unit(1, 8)), owned.rows, 5, 1).front();
  EXPECT_EQ(found.size(), 4u);
  for (const Neighbor& neighbor : found) EXPECT_NE(neighbor.row, 2);
}

TEST(InnerProduct, IsThatOfThePortableKernel) {
  for (const auto& [word, type] : EnumNames<FeatureType>::names) {
    for (const std::int64_t dims : {1, 8, 13, 512}) {
      const OwnedRows owned(unit(11, dims), type);
      const PaddedQueries queries(unit(4, dims));
      const std::int64_t stride = queries.query(1) - queries.query(0);
      std::vector<float> fast(44), portable(44);
      inner_product_kernel(type)(queries.query(0), stride, 4, owned.rows.data, 11, dims, fast.data(), 11);
      portable_inner_product_kernel(type)(queries.query(0), stride, 4, owned.rows.data, 11, dims,
                                          portable.data(), 11);
      for (std::size_t i = 0; i < fast.size(); ++i) EXPECT_NEAR(fast[i], portable[i], 2e-6);
    }
  }
}

TEST(InnerProduct, OfFp32RowsLosesNothing) {
  const at::Tensor rows_ND = at::randn({3, 40});
  const OwnedRows exact(rows_ND, FeatureType::fp32), rounded(rows_ND);
  const PaddedQueries queries(rows_ND);
  const at::Tensor expected_N = (rows_ND * rows_ND[0]).sum(1);
  for (std::int64_t n = 0; n < 3; ++n)
    EXPECT_NEAR(inner_product(queries.query(0), exact.rows, n), expected_N[n].item<float>(), 1e-5);
  EXPECT_NE(inner_product(queries.query(0), exact.rows, 0), inner_product(queries.query(0), rounded.rows, 0));
}

TEST(FeatureRows, AreStoredAsTheyAreOrRoundedToNearestEven) {
  const at::Tensor rows_ND = at::randn({4, 9});
  const OwnedRows rounded(rows_ND), exact(rows_ND, FeatureType::fp32);
  testing::expect_close(to_float(rounded.rows), rows_ND.to(at::kHalf).to(at::kFloat), 0, 0);
  testing::expect_close(to_float(exact.rows), rows_ND, 0, 0);
  const PaddedQueries queries(exact.rows.part(1, 2));
  EXPECT_EQ(queries.query(1)[8], rows_ND[2][8].item<float>());
}

}  // namespace
}  // namespace cloob
