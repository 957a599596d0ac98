#include "cloob/eval/feature_measures.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

#include "eval/exact_sum.h"
#include "support/simulated_ranks.h"
#include "support/support.h"

namespace cloob {
namespace {

// Pairs in parts of `per_part`, each image with `texts` texts.
std::vector<PairFeatures> parts_of(const at::Tensor& images, const at::Tensor& texts, std::int64_t per_part,
                                   std::int64_t num_texts = 1) {
  std::vector<PairFeatures> parts;
  for (std::int64_t first = 0; first < images.size(0); first += per_part) {
    PairFeatures& part = parts.emplace_back();
    part.image_ND = images.slice(0, first, first + per_part);
    // The first text of an image, then others that must not count.
    part.text_MD =
        texts.slice(0, first, first + per_part).unsqueeze(1).repeat({1, num_texts, 1}).flatten(0, 1);
    for (std::int64_t row = 0; row < part.text_MD.size(0); ++row) {
      if (row % num_texts != 0) part.text_MD[row].mul_(-1);
      part.image_of_text.push_back(row / num_texts);
    }
  }
  return parts;
}

at::Tensor random_rows(std::int64_t count, std::int64_t dim, std::uint64_t seed) {
  at::manual_seed(seed);
  const at::Tensor rows = at::randn({count, dim});
  return rows / rows.norm(2, 1, true);
}

FeatureMeasures measure(const std::vector<PairFeatures>& parts) {
  return measure_features(parts, SingleProcess());
}

TEST(FeatureMeasures, OfRowsOnTheAxesAreKnown) {
  // Each axis in both directions: variance 1/4 along each of 4 axes, all angles 90 degrees but for opposite rows.
  const at::Tensor rows = at::cat({at::eye(4), -at::eye(4)});
  const FeatureMeasures measures = measure(parts_of(rows, -rows, 3));
  EXPECT_EQ(measures.image.effective_eigenvalues, 4);
  EXPECT_NEAR(measures.image.effective_rank, 4, 1e-12);
  EXPECT_NEAR(measures.alignment, 4, 1e-12);
  EXPECT_NEAR(measures.modality_gap, 0, 1e-12);
  const double angles = 24 * std::numbers::pi / 2 + 4 * std::numbers::pi;
  EXPECT_NEAR(measures.text.ajne, 2 - angles / (std::numbers::pi * 8), 1e-12);
  EXPECT_NEAR(measures.text.uniformity, std::log((24 * std::exp(-4.0) + 4 * std::exp(-8.0)) / 28), 1e-12);
}

TEST(FeatureMeasures, OfCollapsedFeaturesHaveNoVariance) {
  const at::Tensor images = at::full({5, 3}, 1 / std::sqrt(3.0F)),
                   texts = at::tensor({1.0F, 0.0F, 0.0F}).repeat({5, 1});
  const FeatureMeasures measures = measure(parts_of(images, texts, 2));
  EXPECT_EQ(measures.image.effective_eigenvalues, 0);
  EXPECT_EQ(measures.image.effective_rank, 0);
  EXPECT_NEAR(measures.image.uniformity, 0, 1e-7);
  EXPECT_NEAR(measures.image.ajne, 5.0 / 4, 1e-6);
  EXPECT_NEAR(measures.alignment, 2 - 2 / std::sqrt(3), 1e-7);
  EXPECT_NEAR(measures.modality_gap, std::sqrt(measures.alignment), 1e-7);
}

TEST(FeatureMeasures, OfOnePairHaveNoUniformity) {
  const FeatureMeasures measures = measure(parts_of(at::eye(1, 3), at::eye(1, 3), 1));
  EXPECT_TRUE(std::isnan(measures.image.uniformity));
  EXPECT_EQ(measures.image.effective_rank, 0);
  EXPECT_EQ(measures.alignment, 0);
}

TEST(FeatureMeasures, UseTheFirstTextOfEachImage) {
  const at::Tensor images = random_rows(40, 6, 1), texts = random_rows(40, 6, 2);
  EXPECT_EQ(named_numbers(measure(parts_of(images, texts, 8, 3))),
            named_numbers(measure(parts_of(images, texts, 8))));
}

TEST(FeatureMeasures, ComparesEvenlySpacedRowsOfMany) {
  const at::Tensor images = random_rows(50, 6, 1), texts = random_rows(50, 6, 2);
  const FeatureMeasures sampled = measure_features(parts_of(images, texts, 7), SingleProcess(), 20);
  std::vector<std::int64_t> rows;
  for (std::int64_t i = 0; i < 20; ++i) rows.push_back(i * 50 / 20);
  const at::Tensor chosen = at::tensor(rows, at::kLong);
  const FeatureMeasures expected =
      measure(parts_of(images.index_select(0, chosen), texts.index_select(0, chosen), 20));
  EXPECT_EQ(sampled.image.uniformity, expected.image.uniformity);
  EXPECT_EQ(sampled.text.ajne, expected.text.ajne);
  EXPECT_EQ(sampled.num_compared, 20);
  EXPECT_EQ(sampled.num_pairs, 50);
  EXPECT_EQ(sampled.alignment, measure(parts_of(images, texts, 7)).alignment) << "of all pairs";
}

TEST(FeatureMeasures, AreTheSameBitsOnAnyNumberOfRanks) {
  at::set_num_threads(1);
  // More than one tile of compared rows, and several parts a rank.
  const at::Tensor images = random_rows(1100, 10, 1), texts = random_rows(1100, 10, 2);
  const std::vector<PairFeatures> parts = parts_of(images, texts, 64);
  const NamedNumbers expected = named_numbers(measure(parts));
  for (const std::int64_t world_size : {2, 3, 20}) {  // of twenty, two have no part
    testing::run_ranks(world_size, [&](const Collectives& collectives) {
      at::set_num_threads(1);
      const auto all = std::ssize(parts);
      const std::int64_t first = all * collectives.rank() / world_size,
                         end = all * (collectives.rank() + 1) / world_size;
      const std::vector<PairFeatures> own(parts.begin() + first, parts.begin() + end);
      EXPECT_EQ(named_numbers(measure_features(own, collectives)), expected)
          << "rank " << collectives.rank() << " of " << world_size;
    });
  }
}

TEST(FeatureMeasures, RejectFeaturesThatAreNotFinite) {
  at::Tensor images = random_rows(6, 4, 1);
  images[4][0] = std::numeric_limits<float>::quiet_NaN();
  testing::expect_user_error([&] { measure(parts_of(images, random_rows(6, 4, 2), 2)); },
                             {"starting with image 4"});
  testing::expect_user_error([&] { measure({}); }, {"at least one pair"});
}

TEST(ExactSum, HasTheSameBitsInAnyOrderAndIsPrecise) {
  at::manual_seed(5);
  const at::Tensor numbers =
      at::randn({1000, 3}, at::kDouble) * at::logspace(-6, 2, 1000, 10.0, at::kDouble).unsqueeze(1);
  const double bound = numbers.abs().sum(0).max().item<double>();
  ExactSum forward({3}, bound), backward({3}, bound);
  for (std::int64_t i = 0; i < 1000; ++i) {
    forward.add(numbers[i]);
    backward.add(numbers[999 - i]);
  }
  const at::Tensor sum = forward.total(SingleProcess());
  EXPECT_TRUE(sum.equal(backward.total(SingleProcess())));
  testing::expect_close(sum, numbers.sum(0), 1e-13, 1e-13);
  ExactSum zero({2}, 0);
  zero.add(at::zeros({2}, at::kDouble));
  EXPECT_TRUE(zero.total(SingleProcess()).equal(at::zeros({2}, at::kDouble)));
}

}  // namespace
}  // namespace cloob
