// Clusters of image features, and how far they agree with classes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cloob/base/collectives.h"
#include "cloob/eval/eval_config.h"
#include "cloob/eval/probe/labeled_features.h"
#include "cloob/eval/suite.h"
#include "cloob/report/named_numbers.h"

namespace cloob {

/// As ProtoCLIP's authors evaluate.
struct ClusterOptions {
  std::int64_t clusters = 0;
  std::int64_t iterations = 100;
  std::int64_t restarts = 5;
  std::uint64_t seed = 1234;
  /// Polled before every iteration: if it returns true on any rank, all of them throw EvaluationStopped.
  std::function<bool()> stop_requested = {};
};

/// Agreement of clusters with classes: 1 if they are the same, 0 on average for random ones.
struct ClusterMetrics {
  double ari = 0;  ///< adjusted Rand index
  double ami = 0;  ///< adjusted mutual information
  std::int64_t num_clusters = 0;
  std::int64_t num_samples = 0;
};

/// Clusters the images of all ranks by K-means; the same numbers for any number of ranks. Throws UserError if there are fewer
/// images than clusters. A collective operation.
ClusterMetrics measure_clusters(const std::vector<LabeledPart>& own, const ClusterOptions& options,
                                const Collectives& collectives);

/// clusters_ari, clusters_ami, num_clusters, num_samples.
NamedNumbers named_numbers(const ClusterMetrics& metrics);

/// How many clusters images of so many classes are divided into. Throws UserError with `data`, their path, if that makes no
/// sense.
std::int64_t num_clusters_of(std::optional<std::int64_t> requested, std::int64_t num_classes,
                             std::int64_t num_images, const std::string& data);

/// `eval.clusters.NAME`, on at most `max_samples` images. Throws UserError.
std::unique_ptr<Evaluation> make_clusters_evaluation(const ClustersConfig& config,
                                                     std::optional<std::int64_t> max_samples,
                                                     std::int64_t threads);

}  // namespace cloob
