#include "cloob/retrieval/association.h"

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>

#include <cmath>

#include "cloob/base/full_precision.h"
#include "cloob/retrieval/hopfield.h"
#include "support/finite_differences.h"
#include "support/support.h"

namespace cloob {
namespace {

using testing::expect_close;

at::Tensor drawn(at::IntArrayRef shape, std::uint64_t seed, at::ScalarType type = at::kDouble) {
  at::manual_seed(seed);
  return at::randn(shape, at::kDouble).to(type);
}

at::Tensor number(double value) { return at::scalar_tensor(value, at::kDouble); }

struct Sets {
  at::Tensor state, stored, values;
};

Sets draw_sets(at::ScalarType type = at::kDouble) {
  return {drawn({2, 3, 4, 5}, 1, type), drawn({2, 3, 7, 5}, 2, type), drawn({2, 3, 7, 6}, 3, type)};
}

TEST(Associate, WithOneStepEqualsScaledDotProductAttention) {
  for (const auto& [type, tolerance] : {std::pair(at::kFloat, 1e-6), std::pair(at::kDouble, 1e-14)}) {
    const auto [state, stored, values] = draw_sets(type);
    const at::Tensor mask = drawn({2, 1, 4, 7}, 4) > -0.5;
    for (const at::Tensor& may : {at::Tensor(), mask}) {
      const auto expected = at::scaled_dot_product_attention(
          state, stored, values, may.defined() ? std::optional(may) : std::nullopt);
      const AssociationOptions options{.mask = may};
      expect_close(associate(state, stored, values, options), expected, tolerance, tolerance);
      expect_close(at::matmul(association_weights(state, stored, options), values), expected, tolerance,
                   tolerance);
    }
  }
}

TEST(Associate, OfOneHeadWithItsStoredPatternsIsTheRetrievalOfTraining) {
  const at::Tensor state = drawn({1, 1, 4, 5}, 1), stored = drawn({1, 1, 7, 5}, 2);
  for (const std::int64_t steps : {1, 3}) {
    const at::Tensor actual = associate(state, stored, stored,
                                        {.beta = number(2), .max_update_steps = steps, .update_eps = 1e-300});
    expect_close(unit_rows(actual[0][0]), hopfield_retrieve(state[0][0], stored[0][0], 2.0, steps), 1e-13, 0);
  }
}

TEST(Associate, HasABetaForEachHead) {
  const auto [state, stored, values] = draw_sets();
  const at::Tensor beta = at::tensor({0.1, 1.0, 10.0}, at::kDouble);
  for (const std::int64_t steps : {1, 2}) {
    const at::Tensor all = associate(state, stored, values, {.beta = beta, .max_update_steps = steps});
    for (std::int64_t head = 0; head < 3; ++head) {
      const auto of_head = [&](const at::Tensor& x) { return x.narrow(1, head, 1); };
      const at::Tensor alone = associate(of_head(state), of_head(stored), of_head(values),
                                         {.beta = beta[head], .max_update_steps = steps});
      expect_close(of_head(all), alone, 1e-13, 1e-15);
    }
  }
}

// The change is measured over all sets, so a second set keeps the head of the first one moving.
TEST(Associate, StopsAHeadWhenItsWeightsHardlyChange) {
  const auto [state, stored, values] = draw_sets();
  const auto weights = [&](std::int64_t steps, double eps) {
    return association_weights(state, stored,
                               {.beta = number(1), .max_update_steps = steps, .update_eps = eps});
  };
  std::vector<at::Tensor> by_steps;
  for (const std::int64_t steps : {1, 2, 3, 4}) by_steps.push_back(weights(steps, 1e-300));
  const auto changes = [&](std::size_t step) {
    return (by_steps[step] - by_steps[step - 1]).norm(2, {2, 3}).amax(0);
  };
  const at::Tensor second = changes(2);
  const double eps = (second.min().item<double>() + second.max().item<double>()) / 2;
  const at::Tensor stopped = weights(4, eps);
  for (std::int64_t head = 0; head < 3; ++head) {
    SCOPED_TRACE(head);
    std::size_t last = 1;
    while (last < 3 && changes(last)[head].item<double>() > eps) ++last;
    expect_close(stopped.select(1, head), by_steps[last].select(1, head), 1e-14, 1e-15);
  }
}

TEST(Associate, ReachesAFixedPointInAFinitelyManySteps) {
  const auto [state, stored, values] = draw_sets();
  const auto after = [&](std::int64_t steps) {
    return associate(state, stored, values, {.max_update_steps = steps, .update_eps = 1e-9});
  };
  EXPECT_TRUE(at::equal(after(1000), after(1000000)));
}

TEST(Associate, OfAStateThatMayRetrieveNothingIsZero) {
  const auto [state, stored, values] = draw_sets();
  const at::Tensor mask = at::ones({1, 1, 4, 7}, at::kBool);
  mask.select(2, 1).fill_(false);
  for (const std::int64_t steps : {1, 3}) {
    const at::Tensor leaf = state.clone().requires_grad_();
    const at::Tensor actual = associate(leaf, stored, values, {.max_update_steps = steps, .mask = mask});
    expect_close(actual.select(2, 1), at::zeros({2, 3, 6}, at::kDouble), 0, 0);
    EXPECT_TRUE((actual.select(2, 0) != 0).all().item<bool>());
    actual.sum().backward();
    EXPECT_TRUE(leaf.grad().isfinite().all().item<bool>());
  }
}

TEST(Associate, GradientsMatchFiniteDifferences) {
  auto [state, stored, values] = draw_sets();
  const at::Tensor beta = at::tensor({0.3, 0.6, 0.9}, at::kDouble).requires_grad_();
  for (at::Tensor* const leaf : {&state, &stored, &values}) leaf->requires_grad_();
  const at::Tensor target = drawn({2, 3, 4, 6}, 5);
  for (const std::int64_t steps : {1, 3}) {
    const auto value = [&] {
      return (associate(state, stored, values,
                        {.beta = beta, .max_update_steps = steps, .update_eps = 1e-300}) *
              target)
          .sum();
    };
    for (const at::Tensor& leaf : {state, stored, values, beta})
      testing::expect_gradient_matches_differences(value, leaf, 1e-7);
  }
}

TEST(Associate, ComputesInFp32UnderAutocastAndReturnsTheTypeOfTheValues) {
  const auto [state, stored, values] = draw_sets(at::kFloat);
  const at::Tensor expected = associate(state, stored, values, {.max_update_steps = 2});
  at::autocast::set_autocast_dtype(at::kCPU, at::kBFloat16);
  at::autocast::set_autocast_enabled(at::kCPU, true);
  const at::Tensor actual = associate(state, stored, values, {.max_update_steps = 2});
  at::autocast::set_autocast_enabled(at::kCPU, false);
  EXPECT_TRUE(at::equal(actual, expected));
  EXPECT_EQ(associate(state, stored, values.to(at::kBFloat16), {}).scalar_type(), at::kBFloat16);
}

TEST(Associate, DropsWeightsOfTheLastSoftmax) {
  const auto [state, stored, values] = draw_sets();
  at::manual_seed(1);
  const at::Tensor dropped = associate(state, stored, at::ones({2, 3, 7, 1}, at::kDouble), {.dropout = 0.5});
  EXPECT_GT(dropped.std().item<double>(), 0.1);  // the weights of a state no longer add up to 1
}

}  // namespace
}  // namespace cloob
