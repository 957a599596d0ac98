#include "cloob/retrieval/hopfield.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/scaled_dot_product_attention.h>

#include <algorithm>
#include <optional>

#include "cloob/base/error.h"
#include "cloob/base/full_precision.h"

namespace cloob {
namespace {

// LibTorch's attention on the CPU runs heads in parallel, but goes through the rows of one head with a
// barrier after every small product. So the rows are dealt out as heads, one for each thread. Each head gets
// gradients of the stored patterns of its own, which bounds how many are worth it.
std::int64_t num_parts(const at::Tensor& state_BD) {
  constexpr std::int64_t kMostParts = 8;
  const std::int64_t rows = state_BD.size(0);
  std::int64_t parts = state_BD.is_cpu() ? std::min<std::int64_t>(at::get_num_threads(), kMostParts) : 1;
  while (rows % parts != 0) --parts;
  return parts;
}

// softmax(scaled_state stored^T) stored is attention with the stored patterns as keys and as values.
at::Tensor associate(const at::Tensor& scaled_state_BD, const at::Tensor& stored_MD) {
  const std::int64_t parts = num_parts(scaled_state_BD), dim = stored_MD.size(1);
  const at::Tensor stored = stored_MD.expand({1, parts, -1, -1});
  return at::scaled_dot_product_attention(scaled_state_BD.reshape({1, parts, -1, dim}), stored, stored,
                                          /*attn_mask=*/std::nullopt, /*dropout_p=*/0.0, /*is_causal=*/false,
                                          /*scale=*/1.0)
      .reshape({-1, dim});
}

}  // namespace

at::Tensor hopfield_retrieve(const at::Tensor& state_BD, const at::Tensor& stored_MD, const at::Tensor& beta,
                             std::int64_t update_steps) {
  CLOOB_CHECK(state_BD.dim() == 2 && stored_MD.dim() == 2 && state_BD.size(1) == stored_MD.size(1),
              "patterns must be two matrices of equal width");
  CLOOB_CHECK(update_steps >= 1 && stored_MD.size(0) >= 1, "{} update steps, {} stored patterns",
              update_steps, stored_MD.size(0));
  const OutsideAutocast outside_autocast;
  const auto narrow_type = c10::promoteTypes(state_BD.scalar_type(), stored_MD.scalar_type());
  const auto type = c10::promoteTypes(narrow_type, at::kFloat);
  const at::Tensor stored = stored_MD.to(type);
  const at::Tensor scale = beta.to(type);
  at::Tensor pattern_BD = state_BD.to(type);
  for (std::int64_t step = 0; step < update_steps; ++step) pattern_BD = associate(pattern_BD * scale, stored);
  return unit_rows(pattern_BD);
}

at::Tensor hopfield_retrieve(const at::Tensor& state_BD, const at::Tensor& stored_MD, double beta,
                             std::int64_t update_steps) {
  return hopfield_retrieve(state_BD, stored_MD, at::scalar_tensor(beta, at::kDouble), update_steps);
}

double retrieved_share(std::int64_t step, std::int64_t warmup_steps) {
  if (step >= warmup_steps) return 1.0;
  return static_cast<double>(step) / static_cast<double>(warmup_steps);
}

at::Tensor blend_retrieved(const at::Tensor& state_BD, const at::Tensor& retrieved_BD, double share) {
  if (share >= 1.0) return retrieved_BD;
  const OutsideAutocast outside_autocast;
  return unit_rows(at_least_fp32(state_BD) * (1.0 - share) + at_least_fp32(retrieved_BD) * share);
}

}  // namespace cloob
