#include "cloob/loss/prototype_loss.h"

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>
#include <fmt/format.h>

#include <cmath>
#include <vector>

#include "cloob/base/error.h"
#include "cloob/base/memory.h"
#include "support/finite_differences.h"
#include "support/support.h"

namespace cloob {
namespace {

using testing::expect_close;

constexpr double kHard = -1;

at::Tensor matrix(std::int64_t columns, const std::vector<double>& values) {
  return at::tensor(values, at::kDouble).reshape({-1, columns});
}
at::Tensor labels_of(const std::vector<std::int64_t>& labels) { return at::tensor(labels, at::kLong); }
at::Tensor scale(double inv_tau) { return at::scalar_tensor(inv_tau, at::kDouble); }

struct Batch {
  at::Tensor features_BD, prototypes_KD, teacher_KE, labels_B, inv_tau;

  std::vector<at::Tensor> leaves() const { return {features_BD, inv_tau}; }
  std::int64_t rows() const { return features_BD.size(0); }
  /// The same numbers in another type, as leaves that require gradients.
  Batch as(at::ScalarType type) const {
    const auto leaf = [&](const at::Tensor& values) {
      return values.detach().to(type, /*non_blocking=*/false, /*copy=*/true).requires_grad_();
    };
    return {leaf(features_BD), prototypes_KD.to(type), teacher_KE.to(type), labels_B, leaf(inv_tau)};
  }
  Batch rows_of(std::int64_t first, std::int64_t count) const {
    return {features_BD.narrow(0, first, count), prototypes_KD, teacher_KE, labels_B.narrow(0, first, count),
            inv_tau};
  }
};

// Unit features, and prototypes shorter than them, as means are; the second is that of an empty cluster. Every fifth row has no
// label.
Batch random_batch(std::int64_t rows, std::int64_t prototypes, double inv_tau = 14.3) {
  at::manual_seed(3);
  const auto unit = [](const at::Tensor& drawn) { return drawn / drawn.norm(2, 1, /*keepdim=*/true); };
  Batch batch{unit(at::randn({rows, 6}, at::kDouble)), 0.7 * unit(at::randn({prototypes, 6}, at::kDouble)),
              0.8 * unit(at::randn({prototypes, 4}, at::kDouble)), at::randint(prototypes, {rows}, at::kLong),
              scale(inv_tau)};
  if (prototypes > 1) batch.prototypes_KD[1].zero_();
  for (std::int64_t row = 2; row < rows; row += 5) batch.labels_B[row] = -1;
  return batch.as(at::kDouble);
}

struct LossOptions {
  double temperature = 0.2;
  std::int64_t num_samples = 0;  ///< 0: those of the batch
  std::int64_t tile = 0;
};

at::Tensor loss_of(const Batch& batch, const LossOptions& options = {}, at::Tensor* num_correct = nullptr) {
  const at::Tensor expected_KD =
      expected_prototypes(batch.prototypes_KD, batch.teacher_KE, options.temperature, options.tile);
  return prototype_loss(batch.features_BD, batch.prototypes_KD, expected_KD, batch.labels_B, batch.inv_tau,
                        options.num_samples > 0 ? options.num_samples : batch.rows(), options.tile,
                        num_correct);
}

// The formula with all matrices: the scores of rows and prototypes, and the targets of prototypes and prototypes.
at::Tensor dense(const Batch& batch, double temperature) {
  const at::Tensor rows = batch.labels_B.ge(0).nonzero().squeeze(1);
  const at::Tensor labels = batch.labels_B.index_select(0, rows);
  const at::Tensor scores =
      batch.inv_tau * at::mm(batch.features_BD.index_select(0, rows), batch.prototypes_KD.t());
  const at::Tensor& teacher = batch.teacher_KE;
  const at::Tensor targets =
      temperature > 0 ? at::softmax(at::mm(teacher.index_select(0, labels), teacher.t()) / temperature, 1)
                      : at::one_hot(labels, batch.prototypes_KD.size(0)).to(scores.scalar_type());
  return -(targets * at::log_softmax(scores, 1)).sum() / batch.rows();
}

std::vector<at::Tensor> with_gradients(const at::Tensor& loss, const std::vector<at::Tensor>& leaves) {
  std::vector<at::Tensor> results = {loss.detach()};
  for (const at::Tensor& leaf : leaves) leaf.mutable_grad().reset();
  loss.backward();
  for (const at::Tensor& leaf : leaves) results.push_back(leaf.grad().clone());
  return results;
}

void expect_same_up_to_gradients(const at::Tensor& actual, const at::Tensor& expected, const Batch& batch,
                                 const std::string& name) {
  const std::vector<at::Tensor> a = with_gradients(actual, batch.leaves()),
                                e = with_gradients(expected, batch.leaves());
  for (std::size_t i = 0; i < a.size(); ++i) expect_close(a[i], e[i], 1e-11, 1e-13, name);
}

// Three prototypes of which the second is that of an empty cluster, in the student's space.
Batch small_example() {
  return {matrix(2, {1, 0, 0, 1, -0.6, 0.8}), matrix(2, {0.9, 0.3, 0, 0, -0.3, 0.9}),
          matrix(2, {0.8, 0.4, 0.5, 0.5, -0.4, -0.8}), labels_of({0, 2, 2}), scale(1 / 0.07)};
}

TEST(PrototypeLoss, OfASmallExampleIsKnown) {
  const Batch batch = small_example();
  at::Tensor num_correct;
  EXPECT_NEAR(loss_of(batch, {.temperature = 0.1}).item<double>(), 0.510950, 5e-7);
  EXPECT_NEAR(loss_of(batch, {.temperature = 0.01}).item<double>(), 6.6e-5, 5e-7);
  EXPECT_NEAR(loss_of(batch, {.temperature = kHard}, &num_correct).item<double>(), 6.6e-5, 5e-7);
  EXPECT_EQ(num_correct.item<double>(), 3);
}

// Prototypes are not normalized: <a, a> = 0.36 < <a, b> = 0.57.
TEST(PrototypeLoss, OwnPrototypeNeedNotHaveTheTarget) {
  const at::Tensor teacher = matrix(2, {0.6, 0, 0.95, 0.1});
  const at::Tensor expected = expected_prototypes(at::eye(2, at::kDouble), teacher, 0.01);
  expect_close(expected, matrix(2, {0, 1, 0, 1}), 0, 1e-8);
}

TEST(PrototypeLoss, WithHardTargetsExpectsThePrototypes) {
  const Batch batch = random_batch(3, 7);
  for (const double temperature : {0.0, -1.0}) {
    EXPECT_TRUE(at::equal(expected_prototypes(batch.prototypes_KD, batch.teacher_KE, temperature),
                          batch.prototypes_KD));
  }
}

TEST(PrototypeLoss, EqualsTheDenseFormulaForTilesOfAnySize) {
  const Batch batch = random_batch(11, 13);
  for (const std::int64_t tile : {1, 2, 3, 5, 11, 13, 64}) {
    for (const double temperature : {kHard, 0.05, 2.0}) {
      expect_same_up_to_gradients(loss_of(batch, {.temperature = temperature, .tile = tile}),
                                  dense(batch, temperature), batch,
                                  fmt::format("tile {}, temperature {}", tile, temperature));
    }
  }
}

TEST(PrototypeLoss, GradientsMatchFiniteDifferences) {
  const Batch batch = random_batch(7, 5);
  for (const double temperature : {kHard, 0.2}) {
    const auto value = [&] { return loss_of(batch, {.temperature = temperature, .tile = 2}); };
    for (const at::Tensor& leaf : batch.leaves())
      testing::expect_gradient_matches_differences(value, leaf, 1e-8);
  }
}

TEST(PrototypeLoss, PartsOfTheRowsAddUpToTheWhole) {
  const std::vector<std::int64_t> kParts[] = {{4, 4}, {7, 1}, {0, 8}, {3, 0, 5}};
  const Batch batch = random_batch(8, 6);
  for (const std::vector<std::int64_t>& sizes : kParts) {
    at::Tensor sum = scale(0);
    std::int64_t first = 0;
    double correct = 0;
    for (const std::int64_t size : sizes) {
      at::Tensor num_correct;
      sum = sum + loss_of(batch.rows_of(first, size), {.num_samples = 8, .tile = 3}, &num_correct);
      correct += num_correct.item<double>();
      first += size;
    }
    at::Tensor num_correct;
    expect_same_up_to_gradients(sum, loss_of(batch, {}, &num_correct), batch, "parts");
    EXPECT_EQ(correct, num_correct.item<double>());
  }
}

TEST(PrototypeLoss, OfNoRowsIsZeroAndHasGradients) {
  const Batch batch = random_batch(0, 6);
  for (const std::int64_t num_samples : {0, 8}) {
    at::Tensor num_correct;
    const std::vector<at::Tensor> results =
        with_gradients(prototype_loss(batch.features_BD, batch.prototypes_KD, batch.prototypes_KD,
                                      batch.labels_B, batch.inv_tau, num_samples, 0, &num_correct),
                       batch.leaves());
    EXPECT_EQ(results[0].item<double>(), 0);
    EXPECT_EQ(results[1].numel(), 0);
    EXPECT_EQ(results[2].item<double>(), 0);
    EXPECT_EQ(num_correct.item<double>(), 0);
  }
}

TEST(PrototypeLoss, RowsWithoutALabelContributeNothingWhateverTheyAre) {
  const Batch whole = random_batch(3, 6);
  Batch batch = whole.as(at::kDouble);
  {
    const at::NoGradGuard no_grad;
    batch.features_BD[1].fill_(std::nan(""));
  }
  batch.labels_B = labels_of({4, -1, -1});
  at::Tensor num_correct, of_one;
  const std::vector<at::Tensor> results = with_gradients(loss_of(batch, {}, &num_correct), batch.leaves());
  const Batch one = whole.rows_of(0, 1).as(at::kDouble);
  const at::Tensor alone =
      prototype_loss(one.features_BD, one.prototypes_KD,
                     expected_prototypes(one.prototypes_KD, one.teacher_KE, 0.2), labels_of({4}), one.inv_tau,
                     /*num_samples=*/3, 0, &of_one);
  const std::vector<at::Tensor> expected = with_gradients(alone, one.leaves());
  expect_close(results[0], expected[0], 1e-14, 0, "loss");
  expect_close(results[1].narrow(0, 0, 1), expected[1], 1e-14, 0, "features");
  EXPECT_TRUE(at::equal(results[1].narrow(0, 1, 2), at::zeros({2, 6}, at::kDouble)));
  expect_close(results[2], expected[2], 1e-13, 0, "inv_tau");
  EXPECT_EQ(num_correct.item<double>(), of_one.item<double>());
}

TEST(PrototypeLoss, CountsRowsOfWhichTheLabelHasTheLargestScore) {
  const Batch batch = random_batch(200, 9);
  const at::Tensor best = at::mm(batch.features_BD, batch.prototypes_KD.t()).argmax(1);
  const auto expected = (best == batch.labels_B).sum().item<double>();
  ASSERT_GT(expected, 5);
  ASSERT_LT(expected, 100);
  for (const std::int64_t tile : {1, 4, 9, 64}) {
    at::Tensor num_correct;
    loss_of(batch, {.tile = tile}, &num_correct);
    EXPECT_EQ(num_correct.scalar_type(), at::kFloat);
    EXPECT_FALSE(num_correct.requires_grad());
    EXPECT_EQ(num_correct.item<double>(), expected) << tile;
  }
}

TEST(PrototypeLoss, OfEqualScoresTheFirstCounts) {
  // Scores -1, 0, 0, 0: prototypes of empty clusters, and one at right angles.
  const at::Tensor prototypes = matrix(2, {-1, 0, 0, 0, 0, 1, 0, 0}), feature = matrix(2, {1, 0});
  for (std::int64_t label = 0; label < 4; ++label) {
    for (const std::int64_t tile : {1, 2, 3, 4}) {
      at::Tensor num_correct;
      prototype_loss(feature, prototypes, prototypes, labels_of({label}), scale(5), 1, tile, &num_correct);
      EXPECT_EQ(num_correct.item<double>(), label == 1 ? 1 : 0) << label << ", tile " << tile;
    }
  }
}

TEST(PrototypeLoss, OfASinglePrototypeIsZeroAndHasNoGradients) {
  const Batch batch = random_batch(4, 1);
  at::Tensor num_correct;
  const std::vector<at::Tensor> results =
      with_gradients(loss_of(batch, {.temperature = kHard}, &num_correct), batch.leaves());
  for (const at::Tensor& result : results) EXPECT_TRUE(at::equal(result, at::zeros_like(result)));
  EXPECT_EQ(num_correct.item<double>(), 3);  // one row has no label
}

TEST(PrototypeLoss, HasNoGradientsToPrototypes) {
  Batch batch = random_batch(4, 5);
  batch.prototypes_KD.requires_grad_();
  const at::Tensor expected_KD = batch.prototypes_KD * 1;
  prototype_loss(batch.features_BD, batch.prototypes_KD, expected_KD, batch.labels_B, batch.inv_tau, 4)
      .backward();
  EXPECT_FALSE(batch.prototypes_KD.grad().defined());
  EXPECT_FALSE(expected_prototypes(batch.prototypes_KD, batch.teacher_KE, 0.1).requires_grad());
  EXPECT_FALSE(expected_prototypes(batch.prototypes_KD, batch.teacher_KE, kHard).requires_grad());
}

// From rows that are far from their prototypes to rows of which almost nothing is left to learn.
TEST(PrototypeLoss, InFp32IsAsExactAsItsScores) {
  for (const double noise : {3.0, 0.5, 0.05}) {
    Batch batch = random_batch(300, 50, 100);
    const at::Tensor own = batch.prototypes_KD.index_select(0, batch.labels_B.clamp_min(0));
    const at::Tensor near = own + noise * batch.features_BD.detach() + 1e-3;
    batch.features_BD = near / near.norm(2, 1, /*keepdim=*/true);
    batch = batch.as(at::kFloat).as(at::kDouble);
    const Batch narrow = batch.as(at::kFloat);
    for (const double temperature : {kHard, 0.2}) {
      const LossOptions options{.temperature = temperature, .tile = 64};
      const std::vector<at::Tensor> exact = with_gradients(dense(batch, temperature), batch.leaves()),
                                    actual = with_gradients(loss_of(narrow, options), narrow.leaves());
      for (std::size_t i = 0; i < exact.size(); ++i) {
        EXPECT_EQ(actual[i].scalar_type(), at::kFloat);
        testing::expect_relative_norm(
            actual[i], exact[i], 3e-5,
            fmt::format("result {}, noise {}, temperature {}", i, noise, temperature));
      }
    }
  }
}

TEST(PrototypeLoss, WithHardTargetsIsExactWhereAlmostNothingIsLeftToLearn) {
  const at::Tensor prototypes = matrix(2, {1, 0, 0.5, 0.5}).to(at::kFloat);
  const at::Tensor feature = matrix(2, {1, 0}).to(at::kFloat).requires_grad_();
  const auto inv_tau = scale(60).to(at::kFloat);
  const at::Tensor loss = prototype_loss(feature, prototypes, prototypes, labels_of({0}), inv_tau, 1);
  loss.backward();
  // log(1 + exp(-30)), and 60 sigmoid(-30) (p_1 - p_0): far below the fp32 rounding of 1.
  expect_close(loss, at::scalar_tensor(std::exp(-30.0)), 1e-5, 0);
  expect_close(feature.grad(), 60 * std::exp(-30.0) * matrix(2, {-0.5, 0.5}), 1e-5, 0);
}

TEST(PrototypeLoss, NothingOverflowsAtTheLargestScale) {
  const Batch batch = random_batch(20, 9, 1e5).as(at::kFloat);
  for (const double temperature : {kHard, 1e-4}) {
    for (const at::Tensor& result :
         with_gradients(loss_of(batch, {.temperature = temperature, .tile = 4}), batch.leaves()))
      EXPECT_TRUE(result.isfinite().all().item<bool>());
  }
}

TEST(PrototypeLoss, HalfPrecisionFeaturesAreComparedInFp32) {
  Batch batch = random_batch(16, 9).as(at::kFloat);
  batch.features_BD = batch.features_BD.detach().to(at::kBFloat16);
  const at::Tensor value = loss_of(batch);
  ASSERT_EQ(value.scalar_type(), at::kFloat);
  batch.features_BD = batch.features_BD.to(at::kFloat);
  EXPECT_TRUE(at::equal(value, loss_of(batch)));
}

TEST(PrototypeLoss, AutocastDoesNotReachIn) {
  const Batch batch = random_batch(16, 9).as(at::kFloat);
  const at::Tensor expected = loss_of(batch);
  at::autocast::set_autocast_dtype(at::kCPU, at::kBFloat16);
  at::autocast::set_autocast_enabled(at::kCPU, true);
  const at::Tensor actual = loss_of(batch);
  const bool towers_would_be_bf16 =
      at::mm(batch.features_BD, batch.prototypes_KD.t()).scalar_type() == at::kBFloat16;
  at::autocast::set_autocast_enabled(at::kCPU, false);
  EXPECT_TRUE(towers_would_be_bf16);
  EXPECT_TRUE(at::equal(actual, expected));
}

TEST(PrototypeLoss, NeverHoldsAMatrixOfRowsOrPrototypesAndPrototypes) {
  const Batch batch = random_batch(8192, 8192).as(at::kFloat);
  if (!reset_peak_rss()) GTEST_SKIP() << "this kernel does not reset the peak";
  const std::uint64_t before = current_rss_bytes();
  with_gradients(loss_of(batch), batch.leaves());
  EXPECT_LT(static_cast<double>(peak_rss_bytes() - before), 0.25 * 8192 * 8192 * sizeof(float));
}

TEST(PrototypeLoss, RejectsWhatDoesNotFitTogether) {
  const Batch batch = random_batch(4, 5);
  const auto evaluate = [&](const at::Tensor& expected_KD, const at::Tensor& labels_B) {
    prototype_loss(batch.features_BD, batch.prototypes_KD, expected_KD, labels_B, batch.inv_tau, 4);
  };
  EXPECT_THROW(evaluate(batch.prototypes_KD, labels_of({0, 1, 5, 2})), InternalError);
  EXPECT_THROW(evaluate(batch.prototypes_KD, labels_of({0, 1, 2})), InternalError);
  EXPECT_THROW(evaluate(batch.teacher_KE, batch.labels_B), InternalError);
  EXPECT_THROW(expected_prototypes(batch.prototypes_KD, batch.teacher_KE.narrow(0, 0, 4), 0.1),
               InternalError);
}

}  // namespace
}  // namespace cloob
