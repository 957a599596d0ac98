#include "cloob/objective/saturation_benchmark.h"

#include <ATen/ATen.h>

#include <cmath>

#include "support/support.h"

namespace cloob {
namespace {

// In three dimensions the distribution has elementary formulas: the mean cosine is coth k - 1/k, and the mutual information
// k times that - ln(sinh k / k).
TEST(AlignedPairs, InThreeDimensionsMatchTheClosedForm) {
  for (const double k : {0.5, 2.0, 20.0}) {
    const double alignment = 1 / std::tanh(k) - 1 / k;
    const AlignedPairs pairs(3, alignment);
    EXPECT_NEAR(pairs.concentration(), k, 1e-5 * k);
    EXPECT_NEAR(pairs.mutual_information(), k * alignment - std::log(std::sinh(k) / k), 1e-5);
  }
  const AlignedPairs independent(64, 0);
  EXPECT_EQ(independent.concentration(), 0);
  EXPECT_NEAR(independent.mutual_information(), 0, 1e-12);
}

TEST(AlignedPairs, AreUnitVectorsWithThatMeanCosine) {
  for (const double alignment : {0.0, 0.5, 0.99}) {
    const RandomFeatures drawn = AlignedPairs(16, alignment).draw(20'000, 3);
    testing::expect_close(drawn.image_ND.norm(2, 1), at::ones({20'000}, at::kDouble), 1e-12, 0);
    testing::expect_close(drawn.text_ND.norm(2, 1), at::ones({20'000}, at::kDouble), 1e-12, 0);
    const at::Tensor cosine = (drawn.image_ND * drawn.text_ND).sum(1);
    EXPECT_NEAR(cosine.mean().item<double>(), alignment, 4 * cosine.std().item<double>() / std::sqrt(20'000));
    EXPECT_NEAR(drawn.text_ND.mean().item<double>(), 0, 0.01);
    EXPECT_TRUE(at::equal(AlignedPairs(16, alignment).draw(20'000, 3).text_ND, drawn.text_ND));
  }
}

const SaturationRow& row_of(const std::vector<SaturationRow>& rows, ObjectiveSystem objective,
                            double alignment) {
  for (const SaturationRow& row : rows) {
    if (row.objective == objective && row.alignment == alignment) return row;
  }
  throw std::out_of_range("no such row");
}

TEST(BenchmarkSaturation, ShowsThatOnlyInfoLoobKeepsItsGradient) {
  const std::vector<SaturationRow> rows =
      benchmark_saturation({.alignments = {0, 0.99}, .batches = {64}, .betas = {8}, .draws = 2});
  ASSERT_EQ(rows.size(), 12);
  for (const auto& [name, system] : EnumNames<ObjectiveSystem>::names) {
    const SaturationRow &start = row_of(rows, system, 0), &end = row_of(rows, system, 0.99);
    const bool is_loob = kinds_of(system).loss == LossKind::info_loob;
    EXPECT_EQ(end.gradient / start.gradient > 0.1, is_loob) << name;
    EXPECT_EQ(end.gradient_weight > 0.9, is_loob) << name;
    EXPECT_GT(end.positive_mass, 0.99) << name;
    EXPECT_LT(end.gradient, end.whole_gradient) << name;
    EXPECT_GT(start.value_std, 0) << name;
    EXPECT_GT(end.mutual_information, 100) << name;
  }
}

TEST(BenchmarkSaturation, RejectsWhatCannotBeDrawn) {
  testing::expect_user_error([] { benchmark_saturation({.alignments = {1}}); },
                             {"an alignment is 1", "0.9999"});
  testing::expect_user_error([] { benchmark_saturation({.batches = {1}}); }, {"a batch size is 1"});
  testing::expect_user_error([] { benchmark_saturation({.betas = {0}}); }, {"a beta is 0"});
  testing::expect_user_error([] { benchmark_saturation({.dim = 2}); }, {"the dimension is 2"});
}

}  // namespace
}  // namespace cloob
