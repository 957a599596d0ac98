#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "cloob/base/collectives.h"

namespace cloob {

/// The result of a batch norm over the rows of all ranks.
struct SyncedBatchNorm {
  at::Tensor y;           ///< of this rank's rows, with the dtype of the input
  at::Tensor mean_C;      ///< of all ranks, at least fp32, as is the variance
  at::Tensor variance_C;  ///< unbiased, for the running statistics
};

/// Batch normalization of (B, C, H, W) or (B, C) with the mean and the variance of all ranks' rows, which may be of any number
/// on each of them, also 0. Gradients are those of one process with all rows, except that gain and bias get the part of this
/// rank's rows: the parts of the ranks add up. Equals torch.nn.SyncBatchNorm, but works on the CPU as well, for which LibTorch
/// has no kernels (aten::batch_norm_stats). A collective operation, also in the backward pass. Throws UserError if all ranks
/// together have one value per channel.
SyncedBatchNorm sync_batch_norm(const at::Tensor& x, const at::Tensor& weight_C, const at::Tensor& bias_C,
                                double eps, const Collectives& collectives);

}  // namespace cloob
