#include "cloob/eval/zero_shot_metrics.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include <cmath>
#include <limits>

#include "support/support.h"

namespace cloob {
namespace {

using Labels = std::vector<std::int64_t>;

TEST(ZeroShotMeter, CountsHitsAndAveragesRecallOverTheClassesThatOccur) {
  ZeroShotMeter meter(/*num_classes=*/6);
  const at::Tensor scores = at::eye(6);
  meter.add(scores.slice(0, 0, 3), Labels{0, 0, 2});  // two of three correct
  meter.add(scores.slice(0, 3, 4), Labels{0});        // wrong
  const ZeroShotMetrics metrics = meter.metrics();
  EXPECT_DOUBLE_EQ(metrics.acc1, 0.5);
  EXPECT_DOUBLE_EQ(metrics.mean_per_class_recall, (1.0 / 3 + 1) / 2);
  EXPECT_DOUBLE_EQ(metrics.acc5.value(), 1);
  EXPECT_EQ(metrics.num_samples, 4);
}

TEST(ZeroShotMeter, RanksEqualScoresByIndex) {
  ZeroShotMeter meter(/*num_classes=*/6);
  meter.add(at::zeros({6, 6}), Labels{0, 1, 2, 3, 4, 5});
  EXPECT_DOUBLE_EQ(meter.metrics().acc1, 1.0 / 6);
  EXPECT_DOUBLE_EQ(meter.metrics().acc5.value(), 5.0 / 6);
}

TEST(ZeroShotMeter, HasNoAcc5WithFewerThanFiveClasses) {
  ZeroShotMeter meter(/*num_classes=*/4);
  meter.add(at::eye(4), Labels{0, 1, 2, 3});
  EXPECT_FALSE(meter.metrics().acc5);
  EXPECT_EQ(to_json(named_numbers(meter.metrics())),
            R"({"acc1": 1, "acc5": null, "mean_per_class_recall": 1, "num_samples": 4})");
}

TEST(ZeroShotMeter, RejectsLabelsWithoutAClassName) {
  ZeroShotMeter meter(/*num_classes=*/2);
  testing::expect_user_error([&] { meter.add(at::eye(2), Labels{0, 2}); }, {"label 2", "2 class names"});
  testing::expect_user_error([&] { meter.add(at::eye(2), Labels{-1, 0}); }, {"label -1"});
}

TEST(ZeroShotMeter, RejectsNonFiniteScoresAndMissingData) {
  ZeroShotMeter meter(/*num_classes=*/2);
  const at::Tensor scores = at::full({1, 2}, std::numeric_limits<float>::infinity());
  testing::expect_user_error([&] { meter.add(scores, Labels{0}); }, {"not finite"});
  testing::expect_user_error([&] { meter.metrics(); }, {"at least one image"});
}

TEST(ZeroShotMeter, GetsTheSameFromBlocksAndBatches) {
  constexpr std::int64_t kNumClasses = 5000;
  constexpr std::int64_t kNumImages = 4000;  // 20 million scores: two blocks
  at::manual_seed(1);
  const at::Tensor classifier = at::randn({kNumClasses, 3});
  const at::Tensor images = classifier.slice(0, 0, kNumImages) + 0.01 * at::randn({kNumImages, 3});
  Labels labels(kNumImages);
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<std::int64_t>(i);
  ZeroShotMeter meter(kNumClasses);
  for (std::int64_t begin = 0; begin < kNumImages; begin += 500) {
    meter.add(images.slice(0, begin, begin + 500).matmul(classifier.t()),
              std::span(labels).subspan(static_cast<std::size_t>(begin), 500));
  }
  ZeroShotMeter at_once(kNumClasses);
  at_once.add_images(images, classifier, labels);
  const ZeroShotMetrics metrics = at_once.metrics();
  EXPECT_EQ(metrics.num_samples, kNumImages);
  EXPECT_GT(metrics.acc1, 0);
  EXPECT_NEAR(metrics.acc1, meter.metrics().acc1, 1e-3);
  EXPECT_NEAR(metrics.acc5.value(), meter.metrics().acc5.value(), 1e-3);
}

TEST(ZeroShotClassifier, AveragesDirectionsIgnoringNorms) {
  const at::Tensor prompts = at::tensor({100.0, 0.0, 0.0, 1.0}).reshape({1, 2, 2});
  const double half = std::sqrt(0.5);
  testing::expect_close(zero_shot_classifier(prompts), at::tensor({half, half}).reshape({1, 2}), 0, 1e-12);
}

TEST(SeenUnseen, AreApartAmongAllClasses) {
  ZeroShotMeter meter(/*num_classes=*/3);
  const at::Tensor scores = at::eye(3);
  meter.add(scores, Labels{0, 1, 1});                                // of class 1, one right, one taken for 2
  meter.add(scores.slice(0, 0, 1).expand({3, 3}), Labels{0, 0, 2});  // class 2 is taken for 0
  const SeenUnseenMetrics metrics = meter.seen_unseen({true, false, false});
  EXPECT_DOUBLE_EQ(metrics.acc1_seen, 1);
  EXPECT_DOUBLE_EQ(metrics.acc1_unseen, 1.0 / 3);
  EXPECT_DOUBLE_EQ(metrics.harmonic_mean, 0.5);
  EXPECT_EQ(metrics.num_seen, 3);
  EXPECT_EQ(metrics.num_unseen, 3);
  EXPECT_DOUBLE_EQ(meter.seen_unseen({false, false, true}).harmonic_mean, 0) << "class 2 is never right";
}

TEST(SeenUnseen, AreUnknownWithoutImages) {
  ZeroShotMeter meter(/*num_classes=*/2);
  meter.add(at::eye(2), Labels{0, 0});
  const SeenUnseenMetrics metrics = meter.seen_unseen({true, false});
  EXPECT_DOUBLE_EQ(metrics.acc1_seen, 0.5);
  EXPECT_TRUE(std::isnan(metrics.acc1_unseen));
  EXPECT_TRUE(std::isnan(metrics.harmonic_mean));
}

TEST(SeenUnseen, AreAmongTheNumbersIfAskedFor) {
  ZeroShotMetrics metrics;
  EXPECT_EQ(named_numbers(metrics).size(), 4U);
  metrics.seen_unseen = {
      .acc1_seen = 0.5, .acc1_unseen = 0.25, .harmonic_mean = 1.0 / 3, .num_seen = 4, .num_unseen = 8};
  const NamedNumbers numbers = named_numbers(metrics);
  EXPECT_EQ(NamedNumbers(numbers.begin() + 4, numbers.end()), (NamedNumbers{{"acc1_seen", 0.5},
                                                                            {"acc1_unseen", 0.25},
                                                                            {"acc1_harmonic_mean", 1.0 / 3},
                                                                            {"num_seen", 4},
                                                                            {"num_unseen", 8}}));
}

}  // namespace
}  // namespace cloob
