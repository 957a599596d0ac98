// The random choices of faiss's K-means, which are part of its result.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace cloob {

/// The first `count` numbers of a random permutation of 0 ... size - 1.
std::vector<std::int64_t> start_of_permutation(std::int64_t size, std::int64_t count, std::uint64_t seed);

/// Gives each empty cluster half of another one, which is drawn with a probability that grows with its size: both get its
/// centroid, moved a little to opposite sides. Returns how many clusters were empty.
std::int64_t split_for_empty(const at::Tensor& centroids_KD, std::vector<float> sizes_K,
                             std::int64_t num_samples);

}  // namespace cloob
