#pragma once

#include "cloob/cluster/nearest.h"

#include <ATen/core/Tensor.h>

#include "cluster/nearest_kernels.h"

namespace cloob {

/// Rows at a time, where there is no kernel.
inline constexpr std::int64_t kBlockRows = 4096;

/// nearest_centroids by matrix products, on any device.
Nearest nearest_in_tiles(const at::Tensor& rows_ND, const at::Tensor& centroids_KD, const at::Tensor& bias_K,
                         std::int64_t tile);
/// The same by a kernel, on the CPU.
template <class Scalar>
Nearest nearest_by_kernel(const NearestKernel<Scalar>& kernel, const at::Tensor& rows_ND,
                          const at::Tensor& centroids_KD, const at::Tensor& bias_K);

}  // namespace cloob
