#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace cloob {

/// The sums of the rows of each cluster, fp64, on the CPU, in the order of the rows.
at::Tensor sums_in_order(const at::Tensor& rows_ND, const at::Tensor& labels_N, std::int64_t clusters);
/// The same by counting multiples of a number that is at most 2^-59 of all rows together: so that the order does not matter,
/// in which a GPU adds.
at::Tensor sums_by_counting(const at::Tensor& rows_ND, const at::Tensor& labels_N, std::int64_t clusters);

/// The rows of each cluster.
std::vector<std::int64_t> cluster_sizes(const at::Tensor& labels_N, std::int64_t clusters);

}  // namespace cloob
