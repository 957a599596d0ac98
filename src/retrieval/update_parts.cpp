#include "retrieval/update_parts.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/mm.h>

namespace cloob {
namespace {

constexpr double kMinNorm = 1e-12;

}  // namespace

// Rounding can make the entropy of a single pattern negative.
at::Tensor entropies(const RunningAverage& average, const at::Tensor& state_BD, const at::Tensor& beta) {
  return average.log_sum_B1.squeeze(1).sub((average.average_BD * state_BD).sum(1).mul_(beta)).clamp_min_(0);
}

at::Tensor normalize_rows_in_place(const at::Tensor& rows_BD) {
  const at::Tensor norm_B1 = rows_BD.norm(2, 1, /*keepdim=*/true).clamp_min_(kMinNorm);
  rows_BD.div_(norm_B1);
  return norm_B1;
}

RowGradient normalize_backward(const at::Tensor& grad_BD, const at::Tensor& unit_BD,
                               const at::Tensor& norm_B1) {
  at::Tensor dot_B1 = (grad_BD * unit_BD).sum(1, /*keepdim=*/true);
  // The component of the gradient along a row only affects its norm, so it is removed; a row with a clamped
  // norm is only scaled.
  const at::Tensor is_normalized_B1 = (norm_B1 > kMinNorm).to(grad_BD.scalar_type());
  at::Tensor inner_BD = (unit_BD * (dot_B1 * is_normalized_B1)).neg_().add_(grad_BD).div_(norm_B1);
  return {inner_BD, dot_B1.mul_(1 - is_normalized_B1)};
}

void softmax_backward(const at::Tensor& similarities_RC, const at::Tensor& log_sum_R1,
                      const at::Tensor& grad_RD, const at::Tensor& dot_R1, const at::Tensor& stored_CD,
                      at::Tensor grad_z_RC) {
  similarities_RC.sub_(log_sum_R1).exp_();
  at::mm_out(grad_z_RC, grad_RD, stored_CD.t());
  grad_z_RC.sub_(dot_R1).mul_(similarities_RC);
}

}  // namespace cloob
