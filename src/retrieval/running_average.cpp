#include "retrieval/running_average.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/full.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/sub.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <limits>

namespace cloob {
namespace {

constexpr double kShortest = 1e-12;

}  // namespace

RunningAverage::RunningAverage(const at::Tensor& state_BD)
    : average_BD(at::zeros_like(state_BD)),
      largest_B1_(
          at::full({state_BD.size(0), 1}, -std::numeric_limits<double>::infinity(), state_BD.options())),
      sum_B1_(at::zeros({state_BD.size(0), 1}, state_BD.options())) {}

void RunningAverage::add(std::int64_t first, const at::Tensor& similarities_RC, const at::Tensor& stored_CD,
                         at::Tensor weights_RC) {
  const std::int64_t rows = similarities_RC.size(0);
  const at::Tensor before_R1 = largest_B1_.narrow(0, first, rows);
  const at::Tensor largest_R1 = at::maximum(before_R1, similarities_RC.amax(1, /*keepdim=*/true));
  const at::Tensor shrink_R1 = (before_R1 - largest_R1).exp_();
  at::sub_out(weights_RC, similarities_RC, largest_R1).exp_();
  sum_B1_.narrow(0, first, rows).mul_(shrink_R1).add_(weights_RC.sum(1, /*keepdim=*/true));
  average_BD.narrow(0, first, rows).mul_(shrink_R1).addmm_(weights_RC, stored_CD);
  before_R1.copy_(largest_R1);
}

void RunningAverage::finish() {
  average_BD.div_(sum_B1_);
  log_sum_B1 = largest_B1_ + sum_B1_.log();
}

at::Tensor make_unit_rows(const at::Tensor& rows_BD) {
  const at::Tensor length_B1 = rows_BD.norm(2, 1, /*keepdim=*/true).clamp_min_(kShortest);
  rows_BD.div_(length_B1);
  return length_B1;
}

RowGradient before_unit_length(const at::Tensor& grad_BD, const at::Tensor& unit_BD,
                               const at::Tensor& length_B1) {
  at::Tensor along_B1 = (grad_BD * unit_BD).sum(1, /*keepdim=*/true);
  // A change along a row changes its length, not the unit row; a row shorter than the shortest is only
  // scaled.
  const at::Tensor turns_B1 = (length_B1 > kShortest).to(grad_BD.scalar_type());
  at::Tensor inner_BD = (unit_BD * (along_B1 * turns_B1)).neg_().add_(grad_BD).div_(length_B1);
  return {inner_BD, along_B1.mul_(1 - turns_B1)};
}

}  // namespace cloob
