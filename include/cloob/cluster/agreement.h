// How far two divisions of the same samples agree, whatever the numbers of their clusters are. Both are 1 for equal divisions
// and 0 on average for random ones.
#pragma once

#include <ATen/core/Tensor.h>

namespace cloob {

/// The adjusted Rand index: of pairs that are together or apart in both. As scikit-learn's adjusted_rand_score.
double adjusted_rand_index(const at::Tensor& labels_N, const at::Tensor& other_N);

/// The adjusted mutual information, over the arithmetic mean of both entropies. As scikit-learn's adjusted_mutual_info_score.
double adjusted_mutual_information(const at::Tensor& labels_N, const at::Tensor& other_N);

}  // namespace cloob
