#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <mutex>
#include <numeric>
#include <vector>

#include "cloob/nn/layers.h"
#include "support/simulated_ranks.h"
#include "support/support.h"

namespace cloob {
namespace {

constexpr std::int64_t kChannels = 3;

BatchNorm make_norm() {
  Initializer initializer = Initializer::random(1);
  BatchNorm norm(kChannels, /*initial_gain=*/1.0, initializer);
  norm->to(at::kDouble);
  const at::NoGradGuard no_grad;
  norm->named_parameters()["weight"].copy_(at::tensor({0.5, 1.5, -1.0}, at::kDouble));
  norm->named_parameters()["bias"].copy_(at::tensor({0.1, -0.2, 0.3}, at::kDouble));
  return norm;
}

struct Result {
  at::Tensor y, grad_x, grad_weight, grad_bias;
  BatchNorm norm;
};

/// One training step on some rows, whose outputs have these gradients.
Result train(const at::Tensor& rows, const at::Tensor& grad_rows, const Collectives* collectives) {
  Result result{.y = {}, .grad_x = {}, .grad_weight = {}, .grad_bias = {}, .norm = make_norm()};
  if (collectives != nullptr) synchronize_batch_norms(*result.norm, *collectives);
  const at::Tensor x = rows.clone().requires_grad_();
  const at::Tensor y = result.norm->forward(x);
  y.backward(grad_rows);
  result.y = y.detach();
  result.grad_x = x.grad();
  result.grad_weight = result.norm->named_parameters()["weight"].grad();
  result.grad_bias = result.norm->named_parameters()["bias"].grad();
  return result;
}

void expect_as_one_process(at::IntArrayRef shape, const std::vector<std::int64_t>& rows_of_ranks) {
  SCOPED_TRACE(fmt::format("{} dimensions, rows {}", shape.size(), fmt::join(rows_of_ranks, " + ")));
  at::manual_seed(4);
  const at::Tensor x = 2 * at::randn(shape, at::kDouble) + 1, grad = at::randn(shape, at::kDouble);
  const Result whole = train(x, grad, nullptr);
  at::Tensor grad_weight = at::zeros({kChannels}, at::kDouble), grad_bias = grad_weight.clone();
  std::mutex mutex;
  testing::run_ranks(std::ssize(rows_of_ranks), [&](const Collectives& collectives) {
    const auto rank = static_cast<std::size_t>(collectives.rank());
    const std::int64_t rows = rows_of_ranks[rank];
    const std::int64_t first =
        std::accumulate(rows_of_ranks.begin(), rows_of_ranks.begin() + collectives.rank(), std::int64_t{0});
    const auto part = [&](const at::Tensor& all) { return all.narrow(0, first, rows); };
    const Result result = train(part(x), part(grad), &collectives);
    const std::scoped_lock lock(mutex);
    testing::expect_close(result.y, part(whole.y), 1e-12, 1e-13, "y");
    testing::expect_close(result.grad_x, part(whole.grad_x), 1e-12, 1e-13, "x");
    for (const auto& item : whole.norm->named_buffers())
      testing::expect_close(result.norm->named_buffers()[item.key()], item.value(), 1e-12, 0, item.key());
    grad_weight.add_(result.grad_weight);
    grad_bias.add_(result.grad_bias);
  });
  testing::expect_close(grad_weight, whole.grad_weight, 1e-12, 1e-13, "weight");
  testing::expect_close(grad_bias, whole.grad_bias, 1e-12, 1e-13, "bias");
}

TEST(SyncBatchNorm, EqualsOneProcessForAnyRowsOfRanks) {
  for (const std::vector<std::int64_t>& rows :
       std::vector<std::vector<std::int64_t>>{{8}, {4, 4}, {7, 1}, {8, 0}, {0, 5, 3}, {1, 0, 7}}) {
    expect_as_one_process({8, kChannels}, rows);
    expect_as_one_process({8, kChannels, 2, 3}, rows);
  }
}

TEST(SyncBatchNorm, RejectsASingleRowOfAllRanks) {
  testing::expect_user_error(
      [] {
        testing::run_ranks(2, [](const Collectives& collectives) {
          const at::Tensor x = at::ones({collectives.rank(), kChannels}, at::kDouble);
          train(x, x, &collectives);
        });
      },
      {"a batch norm got 1 values per channel on all ranks", "train.global_batch_size"});
}

}  // namespace
}  // namespace cloob
