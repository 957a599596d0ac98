#include "cloob/eval/retrieval_metrics.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include <limits>
#include <numeric>

#include "cloob/base/error.h"
#include "eval/ranks.h"
#include "support/support.h"

namespace cloob {
namespace {

std::vector<std::int64_t> one_text_each(std::int64_t count) {
  std::vector<std::int64_t> image_of_text(static_cast<std::size_t>(count));
  std::iota(image_of_text.begin(), image_of_text.end(), 0);
  return image_of_text;
}

// Uses features for which the product of image i and text j is scores[i][j].
RetrievalMetrics metrics_of_scores(const at::Tensor& scores_NM,
                                   const std::vector<std::int64_t>& image_of_text) {
  return retrieval_metrics(at::eye(scores_NM.size(0), scores_NM.options()), scores_NM.t().contiguous(),
                           image_of_text);
}

TEST(RanksInRows, CountHigherScoresAndEarlierEqualOnes) {
  const at::Tensor scores = at::tensor({3.0, 5.0, 3.0, 3.0, 1.0}).expand({5, 5});
  EXPECT_TRUE(ranks_in_rows(scores, at::arange(5)).equal(at::tensor({1, 0, 2, 3, 4}, at::kLong)));
}

TEST(RetrievalMetrics, RanksInBothDirections) {
  // Image 0 ranks its text second; text 1 ranks its image second.
  const RetrievalMetrics metrics =
      metrics_of_scores(at::tensor({5.0, 9.0, 0.0, 8.0}).reshape({2, 2}), {0, 1});
  EXPECT_DOUBLE_EQ(metrics.image_to_text.recall_at_1, 0.5);
  EXPECT_DOUBLE_EQ(metrics.image_to_text.recall_at_5, 1);
  EXPECT_DOUBLE_EQ(metrics.image_to_text.mean_rank, 1.5);
  EXPECT_DOUBLE_EQ(metrics.image_to_text.median_rank, 1);  // floor(0.5) + 1
  EXPECT_DOUBLE_EQ(metrics.text_to_image.recall_at_1, 0.5);
  EXPECT_EQ(metrics.num_images, 2);
  EXPECT_EQ(metrics.num_texts, 2);
}

TEST(RetrievalMetrics, UsesTheBestRankedOfSeveralTexts) {
  // Image 0 has the texts 0 and 2, image 1 has text 1.
  const at::Tensor scores = at::tensor({1.0, 2.0, 3.0, 9.0, 8.0, 7.0}).reshape({2, 3});
  const RetrievalMetrics metrics = metrics_of_scores(scores, {0, 1, 0});
  EXPECT_DOUBLE_EQ(metrics.image_to_text.recall_at_1, 0.5);
  EXPECT_DOUBLE_EQ(metrics.image_to_text.mean_rank, 1.5);
  EXPECT_DOUBLE_EQ(metrics.text_to_image.recall_at_1, 1.0 / 3);
}

TEST(RetrievalMetrics, GivesNoCreditForEqualFeatures) {
  const at::Tensor same = at::ones({20, 4}) / 2;
  const RetrievalMetrics metrics = retrieval_metrics(same, same, one_text_each(20));
  EXPECT_DOUBLE_EQ(metrics.image_to_text.recall_at_1, 0.05);
  EXPECT_DOUBLE_EQ(metrics.text_to_image.recall_at_10, 0.5);
  EXPECT_DOUBLE_EQ(metrics.text_to_image.mean_rank, 10.5);
}

TEST(RetrievalMetrics, AreTheSameInBlocks) {
  constexpr std::int64_t kNumImages = 4200;
  ASSERT_LT(rows_per_block(kNumImages), kNumImages);
  at::manual_seed(1);
  const at::Tensor images = at::randn({kNumImages, 4});
  const at::Tensor texts = images + 0.3 * at::randn({kNumImages, 4});
  const at::Tensor scores = images.matmul(texts.t());
  const at::Tensor rank = (scores > scores.diagonal().unsqueeze(1)).sum(1);
  const RetrievalMetrics metrics = retrieval_metrics(images, texts, one_text_each(kNumImages));
  EXPECT_NEAR(metrics.image_to_text.mean_rank, rank.to(at::kDouble).mean().item<double>() + 1, 1e-2);
  EXPECT_NEAR(metrics.image_to_text.recall_at_10, (rank < 10).to(at::kDouble).mean().item<double>(), 1e-3);
}

TEST(RetrievalMetrics, AcceptsHalfPrecisionFeatures) {
  const at::Tensor features = at::eye(3).to(at::kBFloat16);
  EXPECT_DOUBLE_EQ(retrieval_metrics(features, features, one_text_each(3)).text_to_image.recall_at_1, 1);
}

TEST(RetrievalMetrics, RejectsFeaturesThatAreNotFinite) {
  const at::Tensor good = at::eye(3);
  const at::Tensor bad = good.clone();
  bad.select(0, 1).fill_(std::numeric_limits<float>::quiet_NaN());
  testing::expect_user_error([&] { retrieval_metrics(bad, good, one_text_each(3)); },
                             {"1 of 3 images", "image 1"});
  testing::expect_user_error([&] { retrieval_metrics(good, bad, one_text_each(3)); },
                             {"1 of 3 texts", "text 1"});
}

TEST(RetrievalMetrics, RejectsAnImageWithoutText) {
  const at::Tensor features = at::eye(3);
  testing::expect_user_error(
      [&] { retrieval_metrics(features, features, std::vector<std::int64_t>{0, 2, 2}); },
      {"image 1", "no text"});
  testing::expect_user_error([&] { retrieval_metrics(at::empty({0, 3}), at::empty({0, 3}), {}); },
                             {"at least one image"});
  EXPECT_THROW(retrieval_metrics(features, features, std::vector<std::int64_t>{0, 1, 3}), InternalError);
}

TEST(RetrievalMetrics, AreNamedAsScriptsExpect) {
  const at::Tensor features = at::eye(2);
  EXPECT_EQ(
      to_json(named_numbers(retrieval_metrics(features, features, one_text_each(2)))),
      R"({"image_to_text_R@1": 1, "image_to_text_R@5": 1, "image_to_text_R@10": 1, )"
      R"("image_to_text_median_rank": 1, "image_to_text_mean_rank": 1, )"
      R"("text_to_image_R@1": 1, "text_to_image_R@5": 1, "text_to_image_R@10": 1, )"
      R"("text_to_image_median_rank": 1, "text_to_image_mean_rank": 1, "num_images": 2, "num_texts": 2})");
}

}  // namespace
}  // namespace cloob
