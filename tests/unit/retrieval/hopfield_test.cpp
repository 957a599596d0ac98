#include "cloob/retrieval/hopfield.h"

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>

#include <cmath>

#include "support/finite_differences.h"
#include "support/support.h"

namespace cloob {
namespace {

using testing::expect_close;

at::Tensor random_rows(std::int64_t rows, std::int64_t width, std::uint64_t seed) {
  at::manual_seed(seed);
  const at::Tensor drawn = at::randn({rows, width}, at::kDouble);
  return drawn / drawn.norm(2, 1, true);
}

TEST(HopfieldRetrieve, OfTwoOrthogonalPatternsMatchesTheClosedForm) {
  const at::Tensor stored = at::eye(2, at::kDouble);
  const at::Tensor retrieved = hopfield_retrieve(stored.narrow(0, 0, 1), stored, std::log(3.0), 1);
  // softmax(ln 3, 0) = (3, 1) / 4, then normalized; a stored pattern that equals the state is not masked.
  expect_close(retrieved, at::tensor({3.0, 1.0}, at::kDouble).reshape({1, 2}) / std::sqrt(10.0), 1e-14, 0);
}

TEST(HopfieldRetrieve, WithALargeBetaFindsTheNearestPattern) {
  const at::Tensor stored = random_rows(7, 5, 1);
  const at::Tensor state = stored + 0.05 * random_rows(7, 5, 2);
  expect_close(hopfield_retrieve(state, stored, 1e3, 1), stored, 0, 1e-12);
}

TEST(HopfieldRetrieve, StepsAreNotNormalizedInBetween) {
  const at::Tensor state = random_rows(3, 5, 1), stored = random_rows(7, 5, 2);
  const at::Tensor once = at::softmax(4.0 * at::mm(state, stored.t()), 1).mm(stored);
  const at::Tensor twice = at::softmax(4.0 * at::mm(once, stored.t()), 1).mm(stored);
  expect_close(hopfield_retrieve(state, stored, 4.0, 2), twice / twice.norm(2, 1, true), 1e-13, 1e-15);
}

TEST(HopfieldRetrieve, ManyStepsReachAFixedPoint) {
  const at::Tensor state = random_rows(3, 5, 1), stored = random_rows(7, 5, 2);
  expect_close(hopfield_retrieve(state, stored, 4.0, 100), hopfield_retrieve(state, stored, 4.0, 99), 0,
               1e-9);
}

TEST(HopfieldRetrieve, GradientsMatchFiniteDifferences) {
  const at::Tensor state = random_rows(3, 4, 1).requires_grad_(),
                   stored = random_rows(5, 4, 2).requires_grad_();
  const at::Tensor beta = at::scalar_tensor(3.0, at::kDouble).requires_grad_();
  const at::Tensor weights = random_rows(3, 4, 3);
  for (const std::int64_t steps : {1, 3}) {
    const auto value = [&] { return (hopfield_retrieve(state, stored, beta, steps) * weights).sum(); };
    for (const at::Tensor& leaf : {state, stored, beta}) {
      testing::expect_gradient_matches_differences(value, leaf, 1e-8);
    }
  }
}

TEST(HopfieldRetrieve, EqualsTheDenseFormulaForAnyTileSize) {
  const at::Tensor state = random_rows(9, 4, 1).requires_grad_(),
                   stored = random_rows(7, 4, 2).requires_grad_();
  const at::Tensor beta = at::scalar_tensor(5.0, at::kDouble).requires_grad_();
  const at::Tensor weights = random_rows(9, 4, 3);
  const auto with_gradients = [&](const at::Tensor& retrieved) {
    std::vector<at::Tensor> all = {retrieved};
    for (const at::Tensor& leaf : {state, stored, beta}) leaf.mutable_grad().reset();
    (retrieved * weights).sum().backward();
    for (const at::Tensor& leaf : {state, stored, beta}) all.push_back(leaf.grad().clone());
    return all;
  };
  for (const std::int64_t steps : {1, 2}) {
    at::Tensor dense = state;
    for (std::int64_t step = 0; step < steps; ++step)
      dense = at::softmax(beta * at::mm(dense, stored.t()), 1).mm(stored);
    const auto expected = with_gradients(dense / dense.norm(2, 1, true));
    for (const std::int64_t tile : {1, 2, 4, 7, 64}) {
      const auto actual = with_gradients(hopfield_retrieve(state, stored, beta, steps, tile));
      for (std::size_t i = 0; i < actual.size(); ++i) expect_close(actual[i], expected[i], 1e-11, 1e-13);
    }
  }
}

at::Tensor dense_entropies(const at::Tensor& state, const at::Tensor& stored, const at::Tensor& beta) {
  const at::Tensor log_weights = at::log_softmax(beta * at::mm(state, stored.t()), 1);
  return -(log_weights.exp() * log_weights).sum(1);
}

TEST(HopfieldRetrieve, KnowsTheEntropyOfItsLastWeights) {
  const at::Tensor state = random_rows(9, 4, 1).requires_grad_(), stored = random_rows(7, 4, 2);
  for (const double value : {1e-3, 5.0, 1e3}) {
    const at::Tensor beta = at::scalar_tensor(value, at::kDouble);
    const at::Tensor once = at::softmax(beta * at::mm(state, stored.t()), 1).mm(stored);
    for (const std::int64_t tile : {2, 64}) {
      const Retrieval first = hopfield_retrieve_with_entropy(state, stored, beta, 1, tile);
      expect_close(first.entropy_B, dense_entropies(state, stored, beta), 1e-11, 1e-12);
      expect_close(first.pattern_BD, hopfield_retrieve(state, stored, beta, 1, tile), 0, 0);
      EXPECT_FALSE(first.entropy_B.requires_grad());
      EXPECT_TRUE(first.pattern_BD.requires_grad());
      expect_close(hopfield_retrieve_with_entropy(state, stored, beta, 2, tile).entropy_B,
                   dense_entropies(once, stored, beta), 1e-11, 1e-12);
    }
  }
}

TEST(HopfieldRetrieve, OfASinglePatternHasNoEntropy) {
  const at::Tensor rows = random_rows(50, 4, 1).to(at::kFloat), one = rows.narrow(0, 0, 1);
  const at::Tensor beta = at::scalar_tensor(30.0, at::kFloat);
  const at::Tensor entropy_B = hopfield_retrieve_with_entropy(rows, one, beta, 1).entropy_B;
  EXPECT_GE(entropy_B.min().item<double>(), 0);
  EXPECT_LT(entropy_B.max().item<double>(), 1e-5);
}

TEST(HopfieldRetrievePairs, EqualsFourRetrievalsForAnyTileSize) {
  const at::Tensor x = random_rows(9, 4, 1).requires_grad_(), y = random_rows(9, 4, 2).requires_grad_();
  const at::Tensor beta = at::scalar_tensor(5.0, at::kDouble).requires_grad_();
  const auto with_gradients = [&](const PairRetrievals& found) {
    std::vector<at::Tensor> all = {found.u_x_ND, found.u_y_ND, found.v_x_ND, found.v_y_ND, found.entropy_sum};
    at::Tensor sum = at::zeros({}, at::kDouble);
    for (std::size_t i = 0; i < 4; ++i) sum = sum + (all[i] * random_rows(9, 4, 10 + i)).sum();
    for (const at::Tensor& leaf : {x, y, beta}) leaf.mutable_grad().reset();
    sum.backward();
    for (const at::Tensor& leaf : {x, y, beta}) all.push_back(leaf.grad().clone());
    return all;
  };
  const auto expected = with_gradients({hopfield_retrieve(x, x, beta, 1), hopfield_retrieve(y, x, beta, 1),
                                        hopfield_retrieve(x, y, beta, 1), hopfield_retrieve(y, y, beta, 1),
                                        (dense_entropies(x, x, beta) + dense_entropies(y, x, beta) +
                                         dense_entropies(x, y, beta) + dense_entropies(y, y, beta))
                                            .sum()});
  for (const std::int64_t tile : {1, 2, 4, 9, 64}) {
    const auto actual = with_gradients(hopfield_retrieve_pairs(x, y, beta, tile));
    for (std::size_t i = 0; i < actual.size(); ++i) expect_close(actual[i], expected[i], 1e-11, 1e-13);
  }
}

TEST(HopfieldRetrieve, AddsBothGradientsIfStateAndStoredAreTheSame) {
  const at::Tensor state = random_rows(6, 4, 1).requires_grad_(), weights = random_rows(6, 4, 3);
  const auto value = [&] { return (hopfield_retrieve(state, state, 4.0, 1, /*tile=*/4) * weights).sum(); };
  testing::expect_gradient_matches_differences(value, state, 1e-8);
}

TEST(HopfieldRetrieve, ComputesInFp32UnderAutocastAndForHalfPrecision) {
  const at::Tensor state = random_rows(6, 8, 1).to(at::kFloat), stored = random_rows(6, 8, 2).to(at::kFloat);
  const at::Tensor expected = hopfield_retrieve(state, stored, 8.0, 1);
  EXPECT_EQ(hopfield_retrieve(state.to(at::kHalf), stored.to(at::kHalf), 8.0, 1).scalar_type(), at::kFloat);
  at::autocast::set_autocast_dtype(at::kCPU, at::kBFloat16);
  at::autocast::set_autocast_enabled(at::kCPU, true);
  const at::Tensor actual = hopfield_retrieve(state, stored, 8.0, 1);
  at::autocast::set_autocast_enabled(at::kCPU, false);
  EXPECT_TRUE(at::equal(actual, expected));
}

TEST(HopfieldRetrieve, CancellingPatternsGiveZeroNotNan) {
  const at::Tensor stored = at::tensor({1.0, 0.0, -1.0, 0.0}, at::kDouble).reshape({2, 2});
  const at::Tensor state = at::tensor({0.0, 1.0}, at::kDouble).reshape({1, 2});
  expect_close(hopfield_retrieve(state, stored, 8.0, 1), at::zeros({1, 2}, at::kDouble), 0, 0);
}

TEST(RetrievedFraction, RisesLinearlyToOneAndStays) {
  EXPECT_EQ(retrieved_fraction(0, 0), 1.0);
  EXPECT_EQ(retrieved_fraction(0, 4), 0.0);
  EXPECT_EQ(retrieved_fraction(1, 4), 0.25);
  EXPECT_EQ(retrieved_fraction(4, 4), 1.0);
  EXPECT_EQ(retrieved_fraction(1000, 4), 1.0);
}

TEST(BlendRetrieved, InterpolatesFromStateToRetrievedPattern) {
  const at::Tensor state = at::tensor({1.0, 0.0}, at::kDouble).reshape({1, 2});
  const at::Tensor retrieved = at::tensor({0.0, 1.0}, at::kDouble).reshape({1, 2});
  expect_close(blend_retrieved(state, retrieved, 0.0), state, 0, 0);
  expect_close(blend_retrieved(state, retrieved, 1.0), retrieved, 0, 0);
  const at::Tensor quarter = at::tensor({3.0, 1.0}, at::kDouble).reshape({1, 2}) / std::sqrt(10.0);
  expect_close(blend_retrieved(state, retrieved, 0.25), quarter, 1e-15, 0);
}

}  // namespace
}  // namespace cloob
