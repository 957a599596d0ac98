#pragma once

#include <ATen/core/Tensor.h>

namespace cloob {

/// Of each row: the highest bias_K + <row, centroid> and the number of that centroid, of equal ones the lowest.
struct Nearest {
  at::Tensor scores_N;
  at::Tensor labels_N;
};

/// Rows and centroids are contiguous, fp32 or fp64, on one device. Never holds a matrix of rows times centroids. On the CPU
/// the result for a row does not depend on the other rows nor on the number of threads; elsewhere rows are taken in blocks.
Nearest nearest_centroids(const at::Tensor& rows_ND, const at::Tensor& centroids_KD,
                          const at::Tensor& bias_K);

}  // namespace cloob
