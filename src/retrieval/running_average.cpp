#include "retrieval/running_average.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/full.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/sub.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <limits>

namespace cloob {
namespace {

constexpr double kMinNorm = 1e-12;

}  // namespace

RunningAverage::RunningAverage(const at::Tensor& state_BD)
    : average_BD(at::zeros_like(state_BD)),
      max_B1_(at::full({state_BD.size(0), 1}, -std::numeric_limits<double>::infinity(), state_BD.options())),
      sum_B1_(at::zeros({state_BD.size(0), 1}, state_BD.options())) {}

void RunningAverage::add(std::int64_t first, const at::Tensor& similarities_RC, const at::Tensor& stored_CD,
                         at::Tensor weights_RC) {
  const std::int64_t rows = similarities_RC.size(0);
  const at::Tensor old_max_R1 = max_B1_.narrow(0, first, rows);
  const at::Tensor max_R1 = at::maximum(old_max_R1, similarities_RC.amax(1, /*keepdim=*/true));
  const at::Tensor rescale_R1 = (old_max_R1 - max_R1).exp_();
  at::sub_out(weights_RC, similarities_RC, max_R1).exp_();
  sum_B1_.narrow(0, first, rows).mul_(rescale_R1).add_(weights_RC.sum(1, /*keepdim=*/true));
  average_BD.narrow(0, first, rows).mul_(rescale_R1).addmm_(weights_RC, stored_CD);
  old_max_R1.copy_(max_R1);
}

void RunningAverage::finish() {
  average_BD.div_(sum_B1_);
  log_sum_B1 = max_B1_ + sum_B1_.log();
}

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
