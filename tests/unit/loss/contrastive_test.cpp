#include "cloob/loss/contrastive.h"

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <limits>

#include "support/finite_differences.h"
#include "support/support.h"

namespace cloob {
namespace {

using testing::expect_close;
using testing::expect_user_error;

at::Tensor scale(double inv_tau) { return at::scalar_tensor(inv_tau, at::kDouble); }

at::Tensor random_rows(std::int64_t rows, std::int64_t width, std::uint64_t seed) {
  at::manual_seed(seed);
  const at::Tensor drawn = at::randn({rows, width}, at::kDouble);
  return drawn / drawn.norm(2, 1, true);
}

using Loss = at::Tensor (*)(const at::Tensor&, const at::Tensor&, const at::Tensor&, std::int64_t,
                            std::int64_t);
at::Tensor nce(const at::Tensor& anchor, const at::Tensor& sample, const at::Tensor& inv_tau,
               std::int64_t first_row, std::int64_t tile) {
  return info_nce(anchor, sample, inv_tau, first_row, tile);
}
at::Tensor loob(const at::Tensor& anchor, const at::Tensor& sample, const at::Tensor& inv_tau,
                std::int64_t first_row, std::int64_t tile) {
  return info_loob(anchor, sample, inv_tau, first_row, tile);
}
at::Tensor sigmoid_with_bias(const at::Tensor& anchor, const at::Tensor& sample, const at::Tensor& inv_tau,
                             std::int64_t first_row, std::int64_t tile) {
  return sigmoid_loss(anchor, sample, inv_tau, scale(-3), first_row, tile);
}
constexpr Loss kLosses[] = {&nce, &loob, &sigmoid_with_bias};

TEST(InfoNce, OfOrthogonalPairsIsKnown) {
  const at::Tensor rows = at::eye(2, at::kDouble);
  // logsumexp(2, 0) - 2
  EXPECT_NEAR(info_nce(rows, rows, scale(2)).item<double>(), std::log1p(std::exp(-2.0)), 1e-15);
}

TEST(InfoLoob, OfOrthogonalPairsIsKnown) {
  const at::Tensor rows = at::eye(3, at::kDouble);
  // (ln 2 - 2) / 2: two negatives at similarity 0, the positive at 1
  EXPECT_NEAR(info_loob(rows, rows, scale(2)).item<double>(), (std::log(2.0) - 2) / 2, 1e-15);
}

TEST(InfoLoob, LeavesThePositiveOutExactlyWhateverTheScale) {
  const at::Tensor first = at::tensor({1.0, 0.0, -1.0, 0.0}, at::kDouble).reshape({2, 2});
  // Each row's only negative has similarity -1. Anything finite in the place of the positive would win at
  // this scale.
  EXPECT_DOUBLE_EQ(info_loob(first, first, scale(1e5)).item<double>(), -2.0);
}

TEST(Contrastive, LossesOfIdenticalRowsCountTheDenominator) {
  const at::Tensor rows = at::full({6, 8}, std::sqrt(1.0 / 8), at::kDouble);
  EXPECT_NEAR(info_nce(rows, rows, scale(30)).item<double>(), std::log(6.0), 1e-12);
  EXPECT_NEAR(info_loob(rows, rows, scale(30)).item<double>(), std::log(5.0) / 30, 1e-12);
}

TEST(Contrastive, GradientsMatchFiniteDifferences) {
  const at::Tensor anchor = random_rows(5, 4, 1).requires_grad_(),
                   sample = random_rows(5, 4, 2).requires_grad_();
  const at::Tensor inv_tau = scale(7).requires_grad_();
  for (const Loss loss : kLosses) {
    const auto value = [&] { return loss(anchor, sample, inv_tau, 0, 0); };
    for (const at::Tensor& leaf : {anchor, sample, inv_tau}) {
      testing::expect_gradient_matches_differences(value, leaf, 1e-8);
    }
  }
}

// The formulas with the whole matrix of similarities.
at::Tensor dense(const at::Tensor& anchor, const at::Tensor& sample, const at::Tensor& inv_tau, bool loob,
                 std::int64_t first_row) {
  const at::Tensor logits = inv_tau * at::mm(anchor, sample.t());
  const at::Tensor positives = logits.diagonal(first_row);
  const at::Tensor partners = at::zeros(logits.sizes(), at::kBool);
  partners.diagonal(first_row).fill_(loob);
  const at::Tensor kept = logits.masked_fill(partners, -std::numeric_limits<double>::infinity());
  const at::Tensor share = (kept.logsumexp(1) - positives).sum() / sample.size(0);
  return loob ? share / inv_tau : share;
}

void expect_same_up_to_gradients(const at::Tensor& actual, const at::Tensor& expected,
                                 const std::vector<at::Tensor>& leaves, const std::string& name) {
  expect_close(actual, expected, 1e-12, 1e-13, name);
  std::vector<at::Tensor> gradients;
  for (const at::Tensor& loss : {actual, expected}) {
    for (const at::Tensor& leaf : leaves) leaf.mutable_grad().reset();
    loss.backward();
    for (const at::Tensor& leaf : leaves) gradients.push_back(leaf.grad().clone());
  }
  for (std::size_t i = 0; i < leaves.size(); ++i)
    expect_close(gradients[i], gradients[leaves.size() + i], 1e-12, 1e-13, name);
}

TEST(Contrastive, EqualsTheDenseFormulaForTilesOfAnySize) {
  const at::Tensor x = random_rows(11, 4, 1).requires_grad_(), y = random_rows(11, 4, 2).requires_grad_();
  const at::Tensor inv_tau = scale(7).requires_grad_();
  for (const std::int64_t tile : {1, 2, 3, 5, 11, 64}) {
    const std::string name = fmt::format("tile {}", tile);
    for (const bool loob : {false, true}) {
      const auto one_way = loob ? kLosses[1] : kLosses[0];
      const auto both_ways = loob ? &symmetric_info_loob : &symmetric_info_nce;
      const at::Tensor some = x.narrow(0, 0, 4);
      expect_same_up_to_gradients(one_way(some, y, inv_tau, 6, tile), dense(some, y, inv_tau, loob, 6),
                                  {x, y, inv_tau}, name);
      expect_same_up_to_gradients(both_ways(x, y, inv_tau, tile, /*log_odds=*/nullptr),
                                  dense(x, y, inv_tau, loob, 0) + dense(y, x, inv_tau, loob, 0),
                                  {x, y, inv_tau}, name);
    }
  }
}

at::Tensor dense_sigmoid(const at::Tensor& anchor, const at::Tensor& sample, const at::Tensor& inv_tau,
                         const at::Tensor& bias, std::int64_t first_row) {
  const at::Tensor logits = inv_tau * at::mm(anchor, sample.t()) + bias;
  const at::Tensor labels = at::full(logits.sizes(), -1.0, at::kDouble);
  labels.diagonal(first_row).fill_(1);
  return -at::log_sigmoid(labels * logits).sum() / sample.size(0);
}

TEST(Sigmoid, OfOrthogonalPairsIsKnown) {
  const at::Tensor rows = at::eye(3, at::kDouble);
  // Three partners at the logit 2 - 1, six others at -1.
  EXPECT_NEAR(sigmoid_loss(rows, rows, scale(2), scale(-1), 0).item<double>(), 3 * std::log1p(std::exp(-1.0)),
              1e-15);
}

TEST(Sigmoid, EqualsTheDenseFormulaForTilesOfAnySize) {
  const at::Tensor x = random_rows(11, 4, 1).requires_grad_(), y = random_rows(11, 4, 2).requires_grad_();
  const at::Tensor inv_tau = scale(7).requires_grad_(), bias = scale(-2.5).requires_grad_();
  for (const std::int64_t tile : {1, 2, 3, 5, 11, 64}) {
    const std::string name = fmt::format("tile {}", tile);
    expect_same_up_to_gradients(sigmoid_loss(x, y, inv_tau, bias, 0, tile),
                                dense_sigmoid(x, y, inv_tau, bias, 0), {x, y, inv_tau, bias}, name);
    const at::Tensor some = x.narrow(0, 0, 4);
    expect_same_up_to_gradients(sigmoid_loss(some, y, inv_tau, bias, 6, tile),
                                dense_sigmoid(some, y, inv_tau, bias, 6), {x, y, inv_tau, bias}, name);
  }
}

TEST(Sigmoid, GradientsMatchFiniteDifferences) {
  const at::Tensor x = random_rows(5, 4, 1).requires_grad_(), y = random_rows(5, 4, 2).requires_grad_();
  const at::Tensor inv_tau = scale(7).requires_grad_(), bias = scale(-2).requires_grad_();
  const auto value = [&] { return sigmoid_loss(x, y, inv_tau, bias, 0, 2); };
  for (const at::Tensor& leaf : {x, y, inv_tau, bias})
    testing::expect_gradient_matches_differences(value, leaf, 1e-8);
}

TEST(Sigmoid, InFp32IsAsExactAsItsLogits) {
  const at::Tensor x = random_rows(700, 16, 1).to(at::kFloat),
                   y = (x + 0.2 * random_rows(700, 16, 2)).to(at::kFloat);
  for (const double inv_tau : {1.0, 10.0, 100.0}) {
    for (const double bias : {-100.0, -10.0, 0.0, 100.0}) {
      const auto run = [&](at::ScalarType type, std::int64_t tile) {
        std::vector<at::Tensor> leaves = {x.to(type), y.to(type), scale(inv_tau).to(type),
                                          scale(bias).to(type)};
        for (at::Tensor& leaf : leaves) leaf = leaf.detach().clone().requires_grad_();
        std::vector<at::Tensor> results = {
            type == at::kDouble ? dense_sigmoid(leaves[0], leaves[1], leaves[2], leaves[3], 0)
                                : sigmoid_loss(leaves[0], leaves[1], leaves[2], leaves[3], 0, tile)};
        results[0].backward();
        for (const at::Tensor& leaf : leaves) results.push_back(leaf.grad());
        return results;
      };
      const std::vector<at::Tensor> exact = run(at::kDouble, 0), actual = run(at::kFloat, 300);
      const double tolerance = std::max(1e-5, 1e-6 * (inv_tau + std::abs(bias)));
      for (std::size_t i = 0; i < exact.size(); ++i) {
        const double error = (actual[i].to(at::kDouble) - exact[i]).norm().item<double>();
        EXPECT_LE(error, tolerance * exact[i].norm().item<double>())
            << "result " << i << ", inv_tau " << inv_tau << ", bias " << bias;
      }
    }
  }
}

TEST(Contrastive, TilesLoseNothingWhereLogitsAreFarApart) {
  // At this scale a row's logits are up to 200 apart: what is added up first must not be lost, nor the rest.
  const at::Tensor x = random_rows(20, 3, 1).to(at::kFloat), y = random_rows(20, 3, 2).to(at::kFloat);
  for (const bool loob : {false, true}) {
    const auto both_ways = loob ? &symmetric_info_loob : &symmetric_info_nce;
    const at::Tensor expected = dense(x.to(at::kDouble), y.to(at::kDouble), scale(100), loob, 0) +
                                dense(y.to(at::kDouble), x.to(at::kDouble), scale(100), loob, 0);
    for (const std::int64_t tile : {1, 7, 64})
      expect_close(both_ways(x, y, scale(100), tile, /*log_odds=*/nullptr), expected, 1e-6, 0);
  }
}

TEST(Contrastive, OrderOfPairsDoesNotMatter) {
  const at::Tensor anchor = random_rows(9, 4, 1), sample = random_rows(9, 4, 2);
  const at::Tensor order = at::randperm(9);
  for (const Loss loss : kLosses) {
    expect_close(loss(anchor.index_select(0, order), sample.index_select(0, order), scale(14.3), 0, 0),
                 loss(anchor, sample, scale(14.3), 0, 0), 1e-13, 0);
  }
}

// The losses of consecutive parts of the anchors, as ranks have them, added up.
at::Tensor sum_over_parts(Loss loss, const at::Tensor& anchor, const at::Tensor& sample,
                          const at::Tensor& inv_tau, const std::vector<std::int64_t>& part_sizes) {
  at::Tensor sum = at::zeros({}, anchor.options());
  std::int64_t first = 0;
  for (const std::int64_t size : part_sizes) {
    sum = sum + loss(anchor.narrow(0, first, size), sample, inv_tau, first, /*tile=*/3);
    first += size;
  }
  return sum;
}

TEST(Contrastive, PartsOfTheAnchorsAddUpToTheWhole) {
  const std::vector<std::int64_t> kParts[] = {{4, 4}, {7, 1}, {0, 8}, {2, 5, 1}, {3, 0, 5}};
  const at::Tensor anchor = random_rows(8, 4, 1).requires_grad_(),
                   sample = random_rows(8, 4, 2).requires_grad_();
  const at::Tensor inv_tau = scale(14.3).requires_grad_();
  for (const std::vector<std::int64_t>& sizes : kParts) {
    for (const Loss loss : kLosses) {
      expect_same_up_to_gradients(sum_over_parts(loss, anchor, sample, inv_tau, sizes),
                                  loss(anchor, sample, inv_tau, 0, 0), {anchor, sample, inv_tau},
                                  fmt::format("{}", fmt::join(sizes, " + ")));
    }
  }
}

TEST(InfoNce, OfASinglePairIsZeroAndHasNoGradients) {
  const at::Tensor anchor = random_rows(1, 4, 1).requires_grad_(),
                   sample = random_rows(1, 4, 2).requires_grad_();
  const at::Tensor inv_tau = scale(14.3).requires_grad_();
  for (const at::Tensor& value :
       {info_nce(anchor, sample, inv_tau), symmetric_info_nce(anchor, sample, inv_tau)}) {
    EXPECT_EQ(value.item<double>(), 0);
    value.backward();
    for (const at::Tensor& leaf : {anchor, sample, inv_tau})
      EXPECT_TRUE(at::equal(leaf.grad(), at::zeros_like(leaf)));
  }
}

TEST(Contrastive, WithoutAnchorsIsZeroAndHasGradients) {
  const at::Tensor anchor = at::empty({0, 4}, at::kDouble).requires_grad_(),
                   sample = random_rows(8, 4, 2).requires_grad_();
  const at::Tensor inv_tau = scale(14.3).requires_grad_();
  for (const Loss loss : kLosses) {
    const at::Tensor value = loss(anchor, sample, inv_tau, /*first_row=*/5, /*tile=*/3);
    EXPECT_EQ(value.item<double>(), 0);
    value.backward();
    for (const at::Tensor& leaf : {anchor, sample, inv_tau}) {
      EXPECT_TRUE(at::equal(leaf.grad(), at::zeros_like(leaf)));
      leaf.mutable_grad().reset();
    }
  }
}

TEST(Contrastive, HalfPrecisionFeaturesAreComparedInFp32) {
  const at::Tensor anchor = random_rows(16, 8, 1).to(at::kBFloat16),
                   sample = random_rows(16, 8, 2).to(at::kBFloat16);
  for (const Loss loss : kLosses) {
    const at::Tensor value = loss(anchor, sample, scale(100), 0, 0);
    ASSERT_EQ(value.scalar_type(), at::kFloat);
    EXPECT_TRUE(at::equal(value, loss(anchor.to(at::kFloat), sample.to(at::kFloat), scale(100), 0, 0)));
    expect_close(value, loss(anchor.to(at::kDouble), sample.to(at::kDouble), scale(100), 0, 0), 1e-5, 1e-5);
  }
}

TEST(Contrastive, AutocastDoesNotReachIn) {
  const at::Tensor anchor = random_rows(16, 8, 1).to(at::kFloat),
                   sample = random_rows(16, 8, 2).to(at::kFloat);
  for (const Loss loss : kLosses) {
    const at::Tensor expected = loss(anchor, sample, scale(30), 0, 0);
    at::autocast::set_autocast_dtype(at::kCPU, at::kBFloat16);
    at::autocast::set_autocast_enabled(at::kCPU, true);
    const at::Tensor actual = loss(anchor, sample, scale(30), 0, 0);
    const bool towers_would_be_bf16 = at::mm(anchor, sample.t()).scalar_type() == at::kBFloat16;
    at::autocast::set_autocast_enabled(at::kCPU, false);
    EXPECT_TRUE(towers_would_be_bf16);
    EXPECT_TRUE(at::equal(actual, expected));
  }
}

TEST(InfoLoob, OfASinglePairIsAUsersError) {
  const at::Tensor row = random_rows(1, 4, 1);
  expect_user_error([&] { info_loob(row, row, scale(30)); }, {"InfoLOOB needs at least two pairs", "has 1"});
}

TEST(Contrastive, LossesOfNoPairsAreUsersErrors) {
  const at::Tensor none = at::empty({0, 4}, at::kDouble);
  expect_user_error([&] { info_nce(none, none, scale(30)); }, {"InfoNCE needs at least one pair"});
  expect_user_error([&] { info_loob(none, none, scale(30)); },
                    {"InfoLOOB needs at least two pairs", "has 0"});
  expect_user_error([&] { sigmoid_loss(none, none, scale(30), scale(0), 0); },
                    {"sigmoid loss needs at least one"});
}

}  // namespace
}  // namespace cloob
