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

TEST(HopfieldRetrieve, OfTwoOrthogonalPatternsIsKnown) {
  const at::Tensor stored = at::eye(2, at::kDouble);
  const at::Tensor retrieved = hopfield_retrieve(stored.narrow(0, 0, 1), stored, std::log(3.0), 1);
  // softmax(ln 3, 0) = (3, 1) / 4, then unit length; a pattern that is its own state stays in the memory.
  expect_close(retrieved, at::tensor({3.0, 1.0}, at::kDouble).reshape({1, 2}) / std::sqrt(10.0), 1e-14, 0);
}

TEST(HopfieldRetrieve, WithALargeBetaFindsTheNearestPattern) {
  const at::Tensor stored = random_rows(7, 5, 1);
  const at::Tensor state = stored + 0.05 * random_rows(7, 5, 2);
  expect_close(hopfield_retrieve(state, stored, 1e3, 1), stored, 0, 1e-12);
}

TEST(HopfieldRetrieve, StepsAreNotNormalisedInBetween) {
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

TEST(HopfieldRetrieve, StaysInFp32UnderAutocastAndForHalfPrecision) {
  const at::Tensor state = random_rows(6, 8, 1).to(at::kFloat), stored = random_rows(6, 8, 2).to(at::kFloat);
  const at::Tensor expected = hopfield_retrieve(state, stored, 8.0, 1);
  EXPECT_EQ(hopfield_retrieve(state.to(at::kHalf), stored.to(at::kHalf), 8.0, 1).scalar_type(), at::kFloat);
  at::autocast::set_autocast_dtype(at::kCPU, at::kBFloat16);
  at::autocast::set_autocast_enabled(at::kCPU, true);
  const at::Tensor actual = hopfield_retrieve(state, stored, 8.0, 1);
  at::autocast::set_autocast_enabled(at::kCPU, false);
  EXPECT_TRUE(at::equal(actual, expected));
}

TEST(HopfieldRetrieve, PatternsThatCancelGiveZeroNotNan) {
  const at::Tensor stored = at::tensor({1.0, 0.0, -1.0, 0.0}, at::kDouble).reshape({2, 2});
  const at::Tensor state = at::tensor({0.0, 1.0}, at::kDouble).reshape({1, 2});
  expect_close(hopfield_retrieve(state, stored, 8.0, 1), at::zeros({1, 2}, at::kDouble), 0, 0);
}

TEST(RetrievedShare, RisesLinearlyToOneAndStays) {
  EXPECT_EQ(retrieved_share(0, 0), 1.0);
  EXPECT_EQ(retrieved_share(0, 4), 0.0);
  EXPECT_EQ(retrieved_share(1, 4), 0.25);
  EXPECT_EQ(retrieved_share(4, 4), 1.0);
  EXPECT_EQ(retrieved_share(1000, 4), 1.0);
}

TEST(BlendRetrieved, GoesFromTheStateToTheRetrievedPattern) {
  const at::Tensor state = at::tensor({1.0, 0.0}, at::kDouble).reshape({1, 2});
  const at::Tensor retrieved = at::tensor({0.0, 1.0}, at::kDouble).reshape({1, 2});
  expect_close(blend_retrieved(state, retrieved, 0.0), state, 0, 0);
  expect_close(blend_retrieved(state, retrieved, 1.0), retrieved, 0, 0);
  const at::Tensor quarter = at::tensor({3.0, 1.0}, at::kDouble).reshape({1, 2}) / std::sqrt(10.0);
  expect_close(blend_retrieved(state, retrieved, 0.25), quarter, 1e-15, 0);
}

}  // namespace
}  // namespace cloob
