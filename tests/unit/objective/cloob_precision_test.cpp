// CLOOB's objective in fp32 against dense formulas in fp64 on the same numbers.
#include <ATen/ATen.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "cloob/objective/contrastive_objective.h"
#include "support/support.h"

namespace cloob {
namespace {

constexpr double kBeta = 8;

struct Batch {
  at::Tensor image_ND, text_ND, inv_tau;

  /// The same numbers in another type, as leaves that require gradients.
  Batch as_leaves(at::ScalarType type) const {
    const auto leaf = [&](const at::Tensor& values) { return values.to(type).clone().requires_grad_(); };
    return {leaf(image_ND), leaf(text_ND), leaf(inv_tau)};
  }
};

at::Tensor unit(const at::Tensor& rows) { return rows / rows.norm(2, 1, /*keepdim=*/true); }

Batch noisy_pairs(std::int64_t pairs, double noise, double inv_tau) {
  constexpr std::int64_t kWidth = 32;
  at::manual_seed(5);
  const at::Tensor image = unit(at::randn({pairs, kWidth}, at::kDouble));
  const at::Tensor text = unit(image + noise / std::sqrt(kWidth) * at::randn({pairs, kWidth}, at::kDouble));
  return {image.to(at::kFloat), text.to(at::kFloat), at::scalar_tensor(inv_tau, at::kFloat)};
}

at::Tensor dense_retrieval(const at::Tensor& state, const at::Tensor& stored) {
  return unit(at::mm((kBeta * at::mm(state, stored.t())).softmax(1), stored));
}

at::Tensor dense_info_loob(const at::Tensor& anchor, const at::Tensor& sample, const at::Tensor& inv_tau) {
  const at::Tensor logits = inv_tau * at::mm(anchor, sample.t());
  const at::Tensor partners = at::eye(logits.size(0), at::kBool);
  const at::Tensor negatives = logits.masked_fill(partners, -std::numeric_limits<double>::infinity());
  return (negatives.logsumexp(1) - logits.diagonal()).mean() / inv_tau;
}

at::Tensor dense_cloob(const Batch& b) {
  const at::Tensor u_x = dense_retrieval(b.image_ND, b.image_ND),
                   u_y = dense_retrieval(b.text_ND, b.image_ND), v_x = dense_retrieval(b.image_ND, b.text_ND),
                   v_y = dense_retrieval(b.text_ND, b.text_ND);
  return dense_info_loob(u_x, u_y, b.inv_tau) + dense_info_loob(v_y, v_x, b.inv_tau);
}

at::Tensor cloob(const Batch& b, std::int64_t tile_size) {
  const ContrastiveObjective objective({.kind = LossKind::info_loob, .tile_size = tile_size},
                                       {.kind = RetrievalKind::hopfield, .beta = kBeta}, at::kCPU);
  return objective.evaluate(b.image_ND, b.text_ND, b.inv_tau);
}

void expect_exact(std::int64_t pairs, double noise, double inv_tau) {
  SCOPED_TRACE(fmt::format("{} pairs, noise {}, inv_tau {}", pairs, noise, inv_tau));
  const Batch batch = noisy_pairs(pairs, noise, inv_tau), exact = batch.as_leaves(at::kDouble);
  const at::Tensor expected = dense_cloob(exact);
  expected.backward();
  const double tolerance = std::max(1e-5, 3e-7 * inv_tau);
  for (const std::int64_t tile_size : {pairs, pairs / 3 + 1}) {
    const Batch leaves = batch.as_leaves(at::kFloat);
    const at::Tensor loss = cloob(leaves, tile_size);
    loss.backward();
    testing::expect_close(loss, expected, 1e-6, 0, "loss");
    testing::expect_relative_norm(leaves.image_ND.grad(), exact.image_ND.grad(), tolerance, "image");
    testing::expect_relative_norm(leaves.text_ND.grad(), exact.text_ND.grad(), tolerance, "text");
    // With a single negative the objective does not depend on the scale.
    if (pairs == 2) testing::expect_close(leaves.inv_tau.grad() * inv_tau, at::zeros({}), 0, 1e-6, "inv_tau");
    if (pairs != 2) {
      testing::expect_relative_norm(leaves.inv_tau.grad(), exact.inv_tau.grad(), tolerance, "inv_tau");
    }
  }
}

TEST(CloobPrecision, OfFewPairs) {
  for (const double inv_tau : {14.3, 30.0, 100.0}) {
    for (const double noise : {3.0, 1.0, 0.3, 0.0}) {
      expect_exact(2, noise, inv_tau);
      expect_exact(64, noise, inv_tau);
    }
  }
}

TEST(CloobPrecision, OfManyPairs) {
  for (const double inv_tau : {14.3, 30.0, 100.0}) expect_exact(1500, /*noise=*/0.3, inv_tau);
}

}  // namespace
}  // namespace cloob
