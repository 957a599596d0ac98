#include "cloob/eval/retrieval_metrics.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "cloob/base/error.h"
#include "eval/ranks.h"
#include "support/simulated_ranks.h"
#include "support/support.h"

namespace cloob {
namespace {

std::vector<std::int64_t> one_text_each(std::int64_t count) {
  std::vector<std::int64_t> image_of_text(static_cast<std::size_t>(count));
  std::iota(image_of_text.begin(), image_of_text.end(), 0);
  return image_of_text;
}

RetrievalMetrics metrics_of(const at::Tensor& image_ND, const at::Tensor& text_MD,
                            const std::vector<std::int64_t>& image_of_text) {
  return retrieval_metrics(std::vector<PairFeatures>{{image_ND, text_MD, image_of_text}}, SingleProcess());
}

// Uses features for which the product of image i and text j is scores[i][j].
RetrievalMetrics metrics_of_scores(const at::Tensor& scores_NM,
                                   const std::vector<std::int64_t>& image_of_text) {
  return metrics_of(at::eye(scores_NM.size(0), scores_NM.options()), scores_NM.t().contiguous(),
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
  const RetrievalMetrics metrics = metrics_of(same, same, one_text_each(20));
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
  const RetrievalMetrics metrics = metrics_of(images, texts, one_text_each(kNumImages));
  EXPECT_NEAR(metrics.image_to_text.mean_rank, rank.to(at::kDouble).mean().item<double>() + 1, 1e-2);
  EXPECT_NEAR(metrics.image_to_text.recall_at_10, (rank < 10).to(at::kDouble).mean().item<double>(), 1e-3);
}

TEST(RetrievalMetrics, AcceptsHalfPrecisionFeatures) {
  const at::Tensor features = at::eye(3).to(at::kBFloat16);
  EXPECT_DOUBLE_EQ(metrics_of(features, features, one_text_each(3)).text_to_image.recall_at_1, 1);
}

TEST(RetrievalMetrics, RejectsFeaturesThatAreNotFinite) {
  const at::Tensor good = at::eye(3);
  const at::Tensor bad = good.clone();
  bad.select(0, 1).fill_(std::numeric_limits<float>::quiet_NaN());
  testing::expect_user_error([&] { metrics_of(bad, good, one_text_each(3)); }, {"1 of 3 images", "image 1"});
  testing::expect_user_error([&] { metrics_of(good, bad, one_text_each(3)); }, {"1 of 3 texts", "text 1"});
}

TEST(RetrievalMetrics, NeedAnImageAndATextForEach) {
  const at::Tensor features = at::eye(3);
  testing::expect_user_error([] { retrieval_metrics({}, SingleProcess()); }, {"at least one image"});
  EXPECT_THROW(metrics_of(features, features, {0, 2, 2}), InternalError);
  EXPECT_THROW(metrics_of(features, features, {0, 1, 3}), InternalError);
}

// Parts of few images each with 1 to 3 texts, some of them alike; many products are equal, and all are exact.
std::vector<PairFeatures> parts_with_ties(std::int64_t num_parts) {
  at::manual_seed(7);
  std::vector<PairFeatures> parts;
  for (std::int64_t part = 0; part < num_parts; ++part) {
    const std::int64_t images = 1 + part % 4;
    PairFeatures& added = parts.emplace_back();
    for (std::int64_t image = 0; image < images; ++image)
      added.image_of_text.insert(added.image_of_text.end(), static_cast<std::size_t>(1 + (part + image) % 3),
                                 image);
    added.image_ND = at::randint(-1, 2, {images, 5}).to(at::kFloat);
    added.text_MD = at::randint(-1, 2, {std::ssize(added.image_of_text), 5}).to(at::kFloat);
  }
  return parts;
}

// The definition: all products at once.
RetrievalMetrics expected_metrics(const std::vector<PairFeatures>& parts) {
  std::vector<at::Tensor> images, texts;
  std::vector<std::int64_t> image_of_text;
  std::int64_t first = 0;
  for (const PairFeatures& part : parts) {
    images.push_back(part.image_ND);
    texts.push_back(part.text_MD);
    for (const std::int64_t image : part.image_of_text) image_of_text.push_back(first + image);
    first += part.image_ND.size(0);
  }
  const at::Tensor scores_NM = at::cat(images).matmul(at::cat(texts).t());
  const at::Tensor image_of_text_M = at::tensor(image_of_text, at::kLong);
  const at::Tensor rank_M = ranks_in_rows(scores_NM.t().contiguous(), image_of_text_M);
  at::Tensor rank_N = at::full({first}, std::numeric_limits<std::int64_t>::max(), at::kLong);
  for (std::size_t text = 0; text < image_of_text.size(); ++text) {
    const at::Tensor chosen_N = at::full({first}, static_cast<std::int64_t>(text), at::kLong);
    const std::int64_t image = image_of_text[text];
    rank_N[image] = at::minimum(rank_N[image], ranks_in_rows(scores_NM, chosen_N)[image]);
  }
  const auto recall = [](const at::Tensor& rank, std::int64_t bound) {
    return (rank < bound).to(at::kDouble).mean().item<double>();
  };
  const auto mean = [](const at::Tensor& rank) { return rank.to(at::kDouble).mean().item<double>() + 1; };
  const auto of = [&](const at::Tensor& rank) {
    return RankMetrics{recall(rank, 1), recall(rank, 5), recall(rank, 10), 0, mean(rank)};
  };
  return {of(rank_N), of(rank_M), first, std::ssize(image_of_text)};
}

TEST(RetrievalMetrics, AreTheSameForAnyNumberOfRanksAlsoWithTies) {
  constexpr std::int64_t kParts = 7;
  const std::vector<PairFeatures> parts = parts_with_ties(kParts);
  const RetrievalMetrics expected = expected_metrics(parts);
  const NamedNumbers of_one = named_numbers(retrieval_metrics(parts, SingleProcess()));
  for (const auto& [name, value] : named_numbers(expected)) {
    if (name.ends_with("median_rank")) continue;
    const auto found = std::ranges::find(of_one, name, &std::pair<std::string, double>::first);
    ASSERT_NE(found, of_one.end());
    EXPECT_DOUBLE_EQ(found->second, value) << name;
  }
  for (const std::int64_t world_size : {2, 3, 9}) {  // of nine, two have no part
    testing::run_ranks(world_size, [&](const Collectives& collectives) {
      const std::int64_t begin = kParts * collectives.rank() / world_size,
                         end = kParts * (collectives.rank() + 1) / world_size;
      const std::vector<PairFeatures> own(parts.begin() + begin, parts.begin() + end);
      EXPECT_EQ(named_numbers(retrieval_metrics(own, collectives)), of_one) << world_size;
    });
  }
}

TEST(RetrievalMetrics, CountRowsOfAllRanksThatAreNotFinite) {
  testing::run_ranks(3, [](const Collectives& collectives) {
    std::vector<PairFeatures> own;
    if (collectives.rank() > 0) own.push_back({at::eye(2), at::eye(2), {0, 1}});
    if (collectives.rank() == 2) own[0].text_MD[1].fill_(std::numeric_limits<float>::quiet_NaN());
    testing::expect_user_error([&] { retrieval_metrics(own, collectives); }, {"1 of 4 texts", "text 3"});
  });
}

TEST(RetrievalMetrics, AreNamedAsScriptsExpect) {
  const at::Tensor features = at::eye(2);
  EXPECT_EQ(
      to_json(named_numbers(metrics_of(features, features, one_text_each(2)))),
      R"({"image_to_text_R@1": 1, "image_to_text_R@5": 1, "image_to_text_R@10": 1, )"
      R"("image_to_text_median_rank": 1, "image_to_text_mean_rank": 1, )"
      R"("text_to_image_R@1": 1, "text_to_image_R@5": 1, "text_to_image_R@10": 1, )"
      R"("text_to_image_median_rank": 1, "text_to_image_mean_rank": 1, "num_images": 2, "num_texts": 2})");
}

}  // namespace
}  // namespace cloob
