#include "cloob/base/running_average.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/full.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/sub.h>
#include <ATen/ops/zeros.h>

#include <limits>

namespace cloob {

RunningAverage::RunningAverage(std::int64_t num_averages, const at::Tensor& stored_MD)
    : average_BD(at::zeros({num_averages, stored_MD.size(1)}, stored_MD.options())),
      // Finite, so that a tile of nothing but minus infinity does no harm.
      max_B1_(at::full({num_averages, 1}, static_cast<double>(std::numeric_limits<float>::lowest()),
                       stored_MD.options())),
      sum_B1_(at::zeros({num_averages, 1}, stored_MD.options())) {}

void RunningAverage::add(std::int64_t first, const at::Tensor& scores_RC, const at::Tensor& stored_CD,
                         at::Tensor weights_RC) {
  const std::int64_t rows = scores_RC.size(0);
  const at::Tensor old_max_R1 = max_B1_.narrow(0, first, rows);
  const at::Tensor max_R1 = at::maximum(old_max_R1, scores_RC.amax(1, /*keepdim=*/true));
  const at::Tensor rescale_R1 = (old_max_R1 - max_R1).exp_();
  at::sub_out(weights_RC, scores_RC, max_R1).exp_();
  sum_B1_.narrow(0, first, rows).mul_(rescale_R1).add_(weights_RC.sum(1, /*keepdim=*/true));
  average_BD.narrow(0, first, rows).mul_(rescale_R1).addmm_(weights_RC, stored_CD);
  old_max_R1.copy_(max_R1);
}

void RunningAverage::finish() {
  // The largest score has the weight 1: a smaller sum is that of no scores.
  average_BD.div_(sum_B1_.clamp_min(1));
  log_sum_B1 = max_B1_ + sum_B1_.log();
}

}  // namespace cloob
