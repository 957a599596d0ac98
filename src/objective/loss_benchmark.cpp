#include "cloob/objective/loss_benchmark.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/scalar_tensor.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "cloob/base/error.h"
#include "cloob/base/full_precision.h"
#include "cloob/base/memory.h"
#include "cloob/base/timer.h"
#include "cloob/device/device_memory.h"
#include "cloob/objective/contrastive_objective.h"

namespace cloob {
namespace {

void check_features(const LossBenchmark& benchmark) {
  const at::Tensor& image = benchmark.image_ND;
  const at::Tensor& text = benchmark.text_ND;
  if (!image.is_floating_point() || !text.is_floating_point()) {
    throw_user_error("image_features and text_features must be floating-point tensors");
  }
  if (image.dim() == 2 && image.sizes() == text.sizes() && image.size(0) >= ContrastiveObjective::kMinPairs &&
      image.size(1) >= 1)
    return;
  const auto shape = [](const at::Tensor& tensor) {
    return fmt::format("({})", fmt::join(tensor.sizes(), ", "));
  };
  throw_user_error(
      "image_features {} and text_features {} must be two matrices of the same size with at least {} rows "
      "and one column",
      shape(image), shape(text), ContrastiveObjective::kMinPairs);
}

// Computes the gradients of the two feature matrices, which must be leaves that require gradients.
double forward_backward(const LossBenchmark& benchmark) {
  const auto [loss, retrieval] = kinds_of(benchmark.objective);
  const ContrastiveObjective objective({.kind = loss}, {.kind = retrieval, .beta = benchmark.beta},
                                       benchmark.image_ND.device());
  const auto scalar = [&](double value) {
    return at::scalar_tensor(value, benchmark.image_ND.options().dtype(at::kDouble));
  };
  const at::Tensor output = objective.evaluate(benchmark.image_ND, benchmark.text_ND,
                                               {scalar(benchmark.inv_tau), scalar(benchmark.logit_bias)});
  output.backward();
  return output.item<double>();
}

LossBenchmark with_leaf_features(const LossBenchmark& benchmark, std::int64_t num_rows) {
  LossBenchmark copy = benchmark;
  for (at::Tensor* features : {&copy.image_ND, &copy.text_ND}) {
    *features = features->narrow(0, 0, num_rows).detach().requires_grad_();
  }
  return copy;
}

}  // namespace

RandomFeatures random_unit_features(std::int64_t batch, std::int64_t dim, std::uint64_t seed) {
  const at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  const auto draw = [&] { return unit_rows(at::randn({batch, dim}, generator, at::kFloat)); };
  const at::Tensor image_ND = draw();
  return {image_ND, draw()};
}

LossBenchmarkResult benchmark_loss(const LossBenchmark& benchmark) {
  check_features(benchmark);
  if (!(benchmark.beta > 0) || !(benchmark.inv_tau > 0)) {
    throw_user_error("beta is {} and inv_tau is {}: both must be greater than 0", benchmark.beta,
                     benchmark.inv_tau);
  }
  forward_backward(with_leaf_features(benchmark, std::min<std::int64_t>(benchmark.image_ND.size(0), 64)));

  const std::int64_t num_rows = benchmark.image_ND.size(0);
  const c10::Device device = benchmark.image_ND.device();
  // The first time, a GPU also loads kernels and allocates its memory.
  if (!device.is_cpu()) forward_backward(with_leaf_features(benchmark, num_rows));
  const LossBenchmark leaves = with_leaf_features(benchmark, num_rows);
  reset_peak_memory(device);
  const std::uint64_t before = memory_bytes(device);
  const Timer timer;
  LossBenchmarkResult result{.loss = forward_backward(leaves)};
  result.grad_norm_image = leaves.image_ND.grad().norm().item<double>();  // waits for a GPU
  result.grad_norm_text = leaves.text_ND.grad().norm().item<double>();
  result.seconds = timer.seconds();
  result.peak_gib = static_cast<double>(std::max(peak_memory_bytes(device), before) - before) / kGiB;
  return result;
}

}  // namespace cloob
