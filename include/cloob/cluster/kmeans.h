// K-means by Lloyd's algorithm, with the rules of faiss: how it begins, repeats itself and repairs empty clusters.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "cloob/base/collectives.h"

namespace cloob {

struct KMeansOptions {
  std::int64_t clusters = 0;
  std::int64_t iterations = 20;  ///< at most: it ends earlier when the objective no longer changes
  std::int64_t restarts = 1;     ///< in all, of which the one with the lowest objective counts
  bool spherical = false;  ///< centroids of length 1, and the nearest is that with the largest inner product
  std::uint64_t seed = 1234;  ///< faiss's; the lower 32 bits count
  /// Called before each iteration, equally often on all ranks; may throw, to stop.
  std::function<void()> between_iterations = {};
};

struct KMeansResult {
  at::Tensor centroids_KD;         ///< fp32, or fp64 if the samples are; on their device
  at::Tensor labels_N;             ///< int64: the nearest centroid, after the last update of the centroids
  std::vector<double> objectives;  ///< of each iteration of the best restart: the sum of squared distances
};

/// Clusters samples that are the same on all ranks, which share the work. A collective operation; centroids and labels have
/// the same bits for any number of ranks, and on a CPU for any number of threads.
///
/// As faiss::Clustering, but that it never clusters a mere part of the samples, which faiss does beyond 256 samples a
/// cluster, and that sums are in fp64. As many clusters as samples are the samples themselves. Throws UserError if there are
/// fewer samples than clusters.
KMeansResult kmeans(const at::Tensor& samples_ND, const KMeansOptions& options,
                    const Collectives& collectives);

/// The mean of the rows of each cluster, zero if it has none; rows with the label -1 belong to none. (clusters, D), fp32, or
/// fp64 if the features are. The same bits for any number of threads: every rank that has the same features gets the same
/// means, without communication.
at::Tensor cluster_means(const at::Tensor& features_ND, const at::Tensor& labels_N, std::int64_t clusters);

}  // namespace cloob
