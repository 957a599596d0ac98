// The images that a model finds first for a few queries, to look at.
//
// Shapes: Q queries, N images, K of them, D features.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace cloob {

struct NearestImages {
  at::Tensor rows_QK;                                     ///< int64, the best first
  std::vector<std::optional<std::int64_t>> rank_of_true;  ///< from 1; unset for a query without a true image
};

/// Ranks all images for each query by the inner product of their features, equal ones by their rows, as retrieval_metrics.h
/// does. `true_rows` has the row of each query's own image, if it has one. K is `count`, or N if that is less. Holds Q x N
/// products.
NearestImages nearest_images(const at::Tensor& query_QD, const at::Tensor& image_ND,
                             const std::vector<std::optional<std::int64_t>>& true_rows, std::int64_t count);

}  // namespace cloob
