#include "cloob/objective/loss_benchmark.h"

#include <ATen/ATen.h>

#include <cmath>

#include "support/support.h"

namespace cloob {
namespace {

TEST(RandomUnitFeatures, AreUnitRowsThatDependOnlyOnTheSeed) {
  const RandomFeatures features = random_unit_features(5, 16, 7);
  testing::expect_close(features.image_ND.norm(2, 1), at::ones({5}), 1e-6, 0);
  testing::expect_close(features.text_ND.norm(2, 1), at::ones({5}), 1e-6, 0);
  EXPECT_TRUE(at::equal(features.text_ND, random_unit_features(5, 16, 7).text_ND));
  EXPECT_FALSE(at::equal(features.text_ND, random_unit_features(5, 16, 8).text_ND));
  EXPECT_FALSE(at::equal(features.text_ND, features.image_ND));
}

TEST(BenchmarkLoss, OfIdenticalRowsMatchesTheClosedForm) {
  const at::Tensor rows = at::full({6, 4}, 0.5);
  const LossBenchmarkResult result = benchmark_loss(
      {.objective = ObjectiveSystem::info_loob, .image_ND = rows, .text_ND = rows, .beta = 8, .inv_tau = 30});
  EXPECT_NEAR(result.loss, 2 * std::log(5.0) / 30, 1e-6);
  EXPECT_GT(result.seconds, 0);
}

TEST(BenchmarkLoss, DoesNotChangeTheFeatures) {
  const RandomFeatures features = random_unit_features(16, 8, 1);
  const LossBenchmarkResult result = benchmark_loss({.objective = ObjectiveSystem::cloob,
                                                     .image_ND = features.image_ND,
                                                     .text_ND = features.text_ND,
                                                     .beta = 8,
                                                     .inv_tau = 30});
  EXPECT_GT(result.grad_norm_image, 0);
  EXPECT_GT(result.grad_norm_text, 0);
  EXPECT_FALSE(features.image_ND.requires_grad());
  EXPECT_FALSE(features.image_ND.grad().defined());
}

TEST(BenchmarkLoss, NeverMaterializesTheMatrixOfAllPairs) {
  const RandomFeatures features = random_unit_features(8192, 16, 1);
  for (const auto& [name, system] : EnumNames<ObjectiveSystem>::names) {
    const LossBenchmarkResult result = benchmark_loss({.objective = system,
                                                       .image_ND = features.image_ND,
                                                       .text_ND = features.text_ND,
                                                       .beta = 8,
                                                       .inv_tau = 30});
    const double matrix_gib = 8192.0 * 8192 * 4 / (1 << 30);
    EXPECT_LT(result.peak_gib, 0.25 * matrix_gib) << name;
  }
}

TEST(BenchmarkLoss, RejectsFeaturesThatAreNotPaired) {
  const at::Tensor rows = at::eye(4);
  testing::expect_user_error(
      [&] { benchmark_loss({ObjectiveSystem::clip, rows, rows.narrow(0, 0, 3), 8, 30}); },
      {"image_features (4, 4)", "text_features (3, 4)"});
  testing::expect_user_error(
      [&] { benchmark_loss({ObjectiveSystem::clip, rows.narrow(0, 0, 1), rows.narrow(0, 0, 1), 8, 30}); },
      {"at least 2 rows"});
}

TEST(BenchmarkLoss, RejectsIntegersAndEmptyRows) {
  const at::Tensor rows = at::eye(4);
  testing::expect_user_error(
      [&] { benchmark_loss({ObjectiveSystem::clip, rows.to(at::kLong), rows, 8, 30}); }, {"floating-point"});
  const at::Tensor empty = at::ones({4, 0});
  testing::expect_user_error([&] { benchmark_loss({ObjectiveSystem::clip, empty, empty, 8, 30}); },
                             {"(4, 0)", "one column"});
}

TEST(BenchmarkLoss, RejectsInverseTemperaturesThatAreNotPositive) {
  const at::Tensor rows = at::eye(4);
  for (const double wrong : {0.0, -1.0, std::nan("")}) {
    testing::expect_user_error([&] { benchmark_loss({ObjectiveSystem::clip, rows, rows, 8, wrong}); },
                               {"inv_tau is"});
    testing::expect_user_error([&] { benchmark_loss({ObjectiveSystem::clip, rows, rows, wrong, 30}); },
                               {"beta is"});
  }
}

}  // namespace
}  // namespace cloob
