#include "task/prototypes.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/full.h>

#include <array>
#include <string>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/full_precision.h"
#include "cloob/base/prefixed_tensors.h"
#include "cloob/base/text.h"
#include "cloob/cluster/kmeans.h"
#include "cloob/loss/prototype_loss.h"

namespace cloob {
namespace {

constexpr const char* kImage = "image.";
constexpr const char* kText = "text.";
constexpr const char* kImageByTeacher = "image_by_teacher.";
constexpr const char* kTextByTeacher = "text_by_teacher.";

/// The clusters of one space.
struct Clusters {
  at::Tensor labels_n;  // of the samples, on the device
  at::Tensor labels_E;  // see PrototypeTargets
  at::Tensor centroids_KD;
};

class Clustering {
 public:
  Clustering(const ProtoClipConfig& config, const ClusteringOptions& options, const Collectives& collectives,
             NamedNumbers& metrics)
      : config_(config), options_(options), collectives_(collectives), metrics_(metrics) {}

  // The metric is the final objective, as faiss reports it: before the last update of the centroids.
  Clusters cluster(const at::Tensor& features_nD, const at::Tensor& places_n, const std::string& name) const {
    const KMeansResult result = kmeans(features_nD,
                                       {.clusters = options_.clusters,
                                        .iterations = config_.iterations,
                                        .restarts = config_.restarts,
                                        .spherical = config_.spherical,
                                        .between_iterations = options_.between_iterations},
                                       collectives_);
    metrics_.emplace_back("episode/kmeans_objective_" + name, result.objectives.back());
    const at::Tensor labels_E = at::full({options_.episode}, -1, at::kLong);
    labels_E.index_copy_(0, places_n, result.labels_N.to(at::kCPU));
    return {result.labels_N, labels_E, result.centroids_KD};
  }

  // Of the student, whose features these are.
  PrototypeTargets targets(const Clusters& teacher, const at::Tensor& student_nD, bool are_soft) const {
    PrototypeTargets targets;
    targets.labels_E = teacher.labels_E;
    targets.prototypes_KD =
        normalized(config_.back_translation ? cluster_means(student_nD, teacher.labels_n, options_.clusters)
                                            : teacher.centroids_KD);
    targets.expected_KD = are_soft && config_.target_temperature
                              ? expected_prototypes(targets.prototypes_KD, normalized(teacher.centroids_KD),
                                                    *config_.target_temperature)
                              : targets.prototypes_KD;
    return targets;
  }

 private:
  at::Tensor normalized(const at::Tensor& prototypes_KD) const {
    return config_.unit_prototypes ? unit_rows(prototypes_KD) : prototypes_KD;
  }

  const ProtoClipConfig& config_;
  const ClusteringOptions& options_;
  const Collectives& collectives_;
  NamedNumbers& metrics_;
};

void add(NamedTensors& state, const std::string& prefix, const PrototypeTargets& targets) {
  add_with_prefix(state, prefix, {{"labels", targets.labels_E}, {"prototypes", targets.prototypes_KD}});
  if (!targets.expected_KD.is_same(targets.prototypes_KD))
    state.emplace(prefix + "expected", targets.expected_KD);
}

std::optional<PrototypeTargets> find(const NamedTensors& state, const std::string& prefix,
                                     c10::Device device) {
  const NamedTensors own = with_prefix_removed(state, prefix);
  if (own.empty()) return std::nullopt;
  const auto get = [&](const std::string& name) {
    const auto found = own.find(name);
    if (found == own.end()) throw_user_error("the checkpoint lacks '{}{}' of its prototypes", prefix, name);
    return found->second;
  };
  PrototypeTargets targets{.labels_E = get("labels").to(at::kCPU, at::kLong),
                           .prototypes_KD = get("prototypes").to(device),
                           .expected_KD = {}};
  const auto expected = own.find("expected");
  targets.expected_KD = expected == own.end() ? targets.prototypes_KD : expected->second.to(device);
  const bool fit = targets.labels_E.dim() == 1 && targets.prototypes_KD.dim() == 2 &&
                   targets.expected_KD.sizes() == targets.prototypes_KD.sizes() &&
                   (targets.labels_E.numel() == 0 ||
                    targets.labels_E.max().item<std::int64_t>() < targets.prototypes_KD.size(0));
  if (!fit) throw_user_error("the checkpoint's prototypes '{}' do not fit together", prefix);
  return targets;
}

}  // namespace

NamedTensors EpisodePrototypes::state() const {
  NamedTensors state;
  if (!are_defined()) return state;
  add(state, kImage, image);
  add(state, kText, text);
  if (image_by_teacher) add(state, kImageByTeacher, *image_by_teacher);
  if (text_by_teacher) add(state, kTextByTeacher, *text_by_teacher);
  return state;
}

EpisodePrototypes EpisodePrototypes::from_state(const NamedTensors& state, c10::Device device) {
  EpisodePrototypes prototypes;
  auto image = find(state, kImage, device), text = find(state, kText, device);
  if (!image && !text) return prototypes;
  if (!image || !text) throw_user_error("the checkpoint has prototypes of one modality only");
  prototypes.image = std::move(*image);
  prototypes.text = std::move(*text);
  prototypes.image_by_teacher = find(state, kImageByTeacher, device);
  prototypes.text_by_teacher = find(state, kTextByTeacher, device);
  return prototypes;
}

EpisodePrototypes make_prototypes(const EpisodeFeatures& features, const ProtoClipConfig& config,
                                  const ClusteringOptions& options, const Collectives& collectives,
                                  NamedNumbers& metrics) {
  const at::NoGradGuard no_grad;
  if (const std::int64_t usable = features.places_n.size(0); usable < options.clusters) {
    throw_user_error(
        "protoclip.prototypes is {}, but the episode has only {} usable samples: set it to fewer, or protoclip.episode_samples "
        "to more",
        with_thousands(options.clusters), with_thousands(usable));
  }
  const at::Tensor& places_n = features.places_n;
  const Clustering clustering(config, options, collectives, metrics);
  const Clusters images = clustering.cluster(features.image_nD, places_n, "image");
  const Clusters texts = clustering.cluster(features.text_nD, places_n, "text");
  EpisodePrototypes prototypes;
  prototypes.image = clustering.targets(texts, features.image_nD, /*are_soft=*/true);
  prototypes.text = clustering.targets(images, features.text_nD, /*are_soft=*/true);
  if (features.teacher_nX.defined()) {
    const Clusters external = clustering.cluster(features.teacher_nX, places_n, "teacher");
    prototypes.image_by_teacher = clustering.targets(external, features.image_nD, /*are_soft=*/false);
    prototypes.text_by_teacher = clustering.targets(external, features.text_nD, /*are_soft=*/false);
  }
  return prototypes;
}

}  // namespace cloob
