#include "cloob/eval/clusters.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/cluster/agreement.h"
#include "cloob/cluster/kmeans.h"

namespace cloob {
namespace {

// Of all ranks, in the order of the evaluation.
struct AllFeatures {
  at::Tensor features_ND;
  at::Tensor labels_N;
};

AllFeatures gather_all(const std::vector<LabeledPart>& own, const Collectives& collectives) {
  const std::int64_t dim = dim_of_all(own, collectives);
  std::vector<at::Tensor> features = {at::empty({0, dim}, at::kFloat)};
  std::vector<std::int64_t> labels;
  for (const LabeledPart& part : own) {
    features.push_back(part.features_BD);
    labels.insert(labels.end(), part.labels.begin(), part.labels.end());
  }
  return {collectives.gather_rows(at::cat(features)).rows_ND,
          collectives.gather_rows(at::tensor(labels, at::kLong)).rows_ND};
}

class ClustersEvaluation final : public Evaluation {
 public:
  ClustersEvaluation(const ClustersConfig& config, std::optional<std::int64_t> max_samples,
                     std::int64_t threads)
      : source_(open_labeled_source(config.data, "test", threads)),
        class_names_(class_names_of(*source_)),
        classes_(match_classes(class_names_, class_names_, config.data, config.data)),
        stage_(config.features),
        num_clusters_(num_clusters_of(config.clusters, std::ssize(class_names_),
                                      std::min(source_->size(), max_samples.value_or(source_->size())),
                                      config.data)) {}

  std::vector<std::string> metric_names() const override {
    std::vector<std::string> names;
    for (const auto& [name, value] : named({})) names.push_back(name);
    return names;
  }
  NamedNumbers run(const FeatureEncoder& encoder, const EncodeOptions& options,
                   const Collectives& collectives) const override {
    const auto parts = encode_labeled(encoder, source_, classes_, stage_, options, collectives);
    return named(measure_clusters(
        parts, {.clusters = num_clusters_, .stop_requested = options.stop_requested}, collectives));
  }

 private:
  NamedNumbers named(const ClusterMetrics& metrics) const {
    NamedNumbers numbers = named_numbers(metrics);
    numbers.emplace_back("num_classes", static_cast<double>(class_names_.size()));
    return numbers;
  }

  std::shared_ptr<const LabeledSource> source_;
  std::vector<std::string> class_names_;
  std::vector<std::int64_t> classes_;  // the class of each label
  FeatureStage stage_;
  std::int64_t num_clusters_;
};

}  // namespace

ClusterMetrics measure_clusters(const std::vector<LabeledPart>& own, const ClusterOptions& options,
                                const Collectives& collectives) {
  const AllFeatures all = gather_all(own, collectives);
  const auto stop_if_requested = [&] {
    if (options.stop_requested && collectives.max(options.stop_requested() ? 1 : 0) > 0)
      throw EvaluationStopped();
  };
  const KMeansResult result = kmeans(all.features_ND,
                                     {.clusters = options.clusters,
                                      .iterations = options.iterations,
                                      .restarts = options.restarts,
                                      .seed = options.seed,
                                      .between_iterations = stop_if_requested},
                                     collectives);
  return {.ari = adjusted_rand_index(all.labels_N, result.labels_N),
          .ami = adjusted_mutual_information(all.labels_N, result.labels_N),
          .num_clusters = options.clusters,
          .num_samples = all.labels_N.size(0)};
}

NamedNumbers named_numbers(const ClusterMetrics& metrics) {
  return {{"clusters_ari", metrics.ari},
          {"clusters_ami", metrics.ami},
          {"num_clusters", static_cast<double>(metrics.num_clusters)},
          {"num_samples", static_cast<double>(metrics.num_samples)}};
}

std::int64_t num_clusters_of(std::optional<std::int64_t> requested, std::int64_t num_classes,
                             std::int64_t num_images, const std::string& data) {
  if (num_classes < 2)
    throw_user_error("'{}' has a single class: there is nothing that clusters could agree with", data);
  const std::int64_t clusters = requested.value_or(num_classes);
  if (clusters > num_images) {
    throw_user_error("{} clusters of {} images of '{}': there must be an image for each cluster", clusters,
                     num_images, data);
  }
  return clusters;
}

std::unique_ptr<Evaluation> make_clusters_evaluation(const ClustersConfig& config,
                                                     std::optional<std::int64_t> max_samples,
                                                     std::int64_t threads) {
  return std::make_unique<ClustersEvaluation>(config, max_samples, threads);
}

}  // namespace cloob
