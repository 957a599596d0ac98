// The losses in fp32 against dense formulas in fp64 on the same numbers, from pairs that are not told apart
// to pairs of which almost nothing is left to learn.
#include <ATen/ATen.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "cloob/loss/contrastive.h"
#include "support/support.h"

namespace cloob {
namespace {

using testing::expect_close;
using testing::expect_relative_norm;

enum class Kind { info_nce, info_loob };

struct Batch {
  at::Tensor x_ND, y_ND, inv_tau;

  std::int64_t pairs() const { return x_ND.size(0); }
  /// The same numbers in another type, as leaves that require gradients.
  Batch as_leaves(at::ScalarType type) const {
    const auto leaf = [&](const at::Tensor& values) { return values.to(type).clone().requires_grad_(); };
    return {leaf(x_ND), leaf(y_ND), leaf(inv_tau)};
  }
};

at::Tensor unit(const at::Tensor& rows) { return rows / rows.norm(2, 1, /*keepdim=*/true); }

// Without noise the two rows of a pair are equal; the rows of one kind are spread around 0.
Batch noisy_pairs(std::int64_t pairs, double noise, double inv_tau) {
  constexpr std::int64_t kWidth = 32;
  at::manual_seed(5);
  const at::Tensor drawn = at::randn({pairs, kWidth}, at::kDouble);
  const at::Tensor x = unit(drawn - drawn.mean(0, /*keepdim=*/true));
  const at::Tensor y = unit(x + noise / std::sqrt(kWidth) * at::randn({pairs, kWidth}, at::kDouble));
  return {x.to(at::kFloat), y.to(at::kFloat), at::scalar_tensor(inv_tau, at::kFloat)};
}

using Loss = std::function<at::Tensor(const Batch&)>;

struct Results {
  at::Tensor loss, grad_x, grad_y, grad_inv_tau;
};

Results evaluate(const Batch& leaves, const Loss& loss) {
  const at::Tensor value = loss(leaves);
  value.backward();
  return {value.detach(), leaves.x_ND.grad(), leaves.y_ND.grad(), leaves.inv_tau.grad()};
}

// With d_ij = s a_i.b_j - s a_i.b_i and L = log sum_{j != i} exp(d_ij), InfoLOOB is the mean of L / s and
// InfoNCE that of log(1 + exp(L)).
at::Tensor dense(Kind kind, const at::Tensor& anchor, const at::Tensor& sample, const at::Tensor& inv_tau) {
  const at::Tensor logits = inv_tau * at::mm(anchor, sample.t());
  const at::Tensor differences = logits - logits.diagonal().unsqueeze(1);
  const at::Tensor partners = at::eye(logits.size(0), at::kBool);
  const at::Tensor others =
      differences.masked_fill(partners, -std::numeric_limits<double>::infinity()).logsumexp(1);
  return kind == Kind::info_loob ? others.mean() / inv_tau : at::softplus(others, 1, /*threshold=*/40).mean();
}

Results dense_in_fp64(Kind kind, const Batch& batch, bool both_directions) {
  return evaluate(batch.as_leaves(at::kDouble), [&](const Batch& b) {
    const at::Tensor one = dense(kind, b.x_ND, b.y_ND, b.inv_tau);
    return both_directions ? one + dense(kind, b.y_ND, b.x_ND, b.inv_tau) : one;
  });
}

at::Tensor one_direction(Kind kind, const Batch& b, std::int64_t first, std::int64_t size,
                         std::int64_t tile) {
  const at::Tensor x_BD = b.x_ND.narrow(0, first, size);
  return kind == Kind::info_nce ? info_nce(x_BD, b.y_ND, b.inv_tau, first, tile)
                                : info_loob(x_BD, b.y_ND, b.inv_tau, first, tile);
}

at::Tensor two_parts(Kind kind, const Batch& b, std::int64_t tile) {
  const std::int64_t first = b.pairs() / 3;
  return one_direction(kind, b, 0, first, tile) + one_direction(kind, b, first, b.pairs() - first, tile);
}

at::Tensor both_directions(Kind kind, const Batch& b, std::int64_t tile) {
  return kind == Kind::info_nce ? symmetric_info_nce(b.x_ND, b.y_ND, b.inv_tau, tile)
                                : symmetric_info_loob(b.x_ND, b.y_ND, b.inv_tau, tile);
}

// The rounding of a few products of the size of the inverse temperature.
double tolerance(double inv_tau) { return std::max(1e-5, 3e-7 * inv_tau); }

void expect_as_exact_as_products(const Results& actual, const Results& expected, Kind kind,
                                 const Batch& batch) {
  const auto inv_tau = batch.inv_tau.item<double>();
  // InfoLOOB is a difference of similarities, which may be near 0.
  if (kind == Kind::info_loob) expect_close(actual.loss, expected.loss, 1e-6, 1e-8, "loss");
  if (kind == Kind::info_nce) expect_close(actual.loss, expected.loss, tolerance(inv_tau), 0, "loss");
  expect_relative_norm(actual.grad_x, expected.grad_x, tolerance(inv_tau), "x");
  expect_relative_norm(actual.grad_y, expected.grad_y, tolerance(inv_tau), "y");
  // With a single negative InfoLOOB does not depend on the scale.
  if (kind == Kind::info_loob && batch.pairs() == 2) {
    expect_close(actual.grad_inv_tau * inv_tau, at::zeros({}), 0, 1e-6, "inv_tau");
  } else {
    expect_relative_norm(actual.grad_inv_tau, expected.grad_inv_tau, tolerance(inv_tau), "inv_tau");
  }
}

void expect_exact(Kind kind, const Batch& batch) {
  const std::int64_t one_tile = batch.pairs(), tiles = batch.pairs() / 3 + 1;
  const auto expect = [&](const std::string& name, const Results& expected, const Loss& loss) {
    SCOPED_TRACE(name);
    expect_as_exact_as_products(evaluate(batch.as_leaves(at::kFloat), loss), expected, kind, batch);
  };
  const Results one = dense_in_fp64(kind, batch, /*both_directions=*/false);
  // Smaller ones leave the range of fp32.
  if (kind == Kind::info_nce && one.loss.item<double>() < 1e-30) return;
  expect("one tile", one, [&](const Batch& b) { return one_direction(kind, b, 0, b.pairs(), one_tile); });
  expect("tiles", one, [&](const Batch& b) { return one_direction(kind, b, 0, b.pairs(), tiles); });
  expect("parts", one, [&](const Batch& b) { return two_parts(kind, b, tiles); });
  const Results both = dense_in_fp64(kind, batch, /*both_directions=*/true);
  expect("both ways, one tile", both, [&](const Batch& b) { return both_directions(kind, b, one_tile); });
  expect("both ways, tiles", both, [&](const Batch& b) { return both_directions(kind, b, tiles); });
}

void expect_exact_for(Kind kind, std::int64_t pairs, std::initializer_list<double> noises) {
  for (const double inv_tau : {14.3, 30.0, 100.0}) {
    for (const double noise : noises) {
      SCOPED_TRACE(fmt::format("{} pairs, inv_tau {}, noise {}", pairs, inv_tau, noise));
      expect_exact(kind, noisy_pairs(pairs, noise, inv_tau));
    }
  }
}

TEST(InfoNcePrecision, OfFewPairs) {
  expect_exact_for(Kind::info_nce, 2, {6, 3, 1, 0.5, 0});
  expect_exact_for(Kind::info_nce, 64, {3, 1, 0.7, 0.5, 0});
}

TEST(InfoNcePrecision, OfManyPairs) { expect_exact_for(Kind::info_nce, 1500, {1, 0.5, 0.3}); }

TEST(InfoLoobPrecision, OfFewPairs) {
  expect_exact_for(Kind::info_loob, 2, {6, 3, 1, 0.5, 0});
  expect_exact_for(Kind::info_loob, 64, {3, 1, 0.7, 0.5, 0});
}

TEST(InfoLoobPrecision, OfManyPairs) { expect_exact_for(Kind::info_loob, 1500, {0.5}); }

TEST(ContrastivePrecision, NothingOverflowsAtTheLargestScale) {
  for (const Kind kind : {Kind::info_nce, Kind::info_loob}) {
    for (const std::int64_t shift : {0, 1}) {
      Batch batch = noisy_pairs(7, /*noise=*/0, /*inv_tau=*/1e4);
      batch.y_ND = batch.y_ND.roll(shift, 0);
      for (const Loss& loss : {Loss([&](const Batch& b) { return one_direction(kind, b, 0, 7, 3); }),
                               Loss([&](const Batch& b) { return both_directions(kind, b, 3); })}) {
        const Results results = evaluate(batch.as_leaves(at::kFloat), loss);
        for (const at::Tensor& result : {results.loss, results.grad_x, results.grad_y, results.grad_inv_tau})
          EXPECT_TRUE(result.isfinite().all().item<bool>());
      }
    }
  }
}

}  // namespace
}  // namespace cloob
