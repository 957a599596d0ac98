// What clustering an episode leaves behind: which cluster each sample is in, and what its features are compared with.
//
// Shapes: E places of an episode, n of them with a usable sample, K clusters, D features.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <functional>
#include <optional>

#include "cloob/base/collectives.h"
#include "cloob/base/named_tensors.h"
#include "cloob/report/named_numbers.h"
#include "cloob/task/protoclip_config.h"

namespace cloob {

/// The features of an episode that are clustered, the same on all ranks.
struct EpisodeFeatures {
  at::Tensor places_n;  ///< int64 on the CPU, ascending: in the episode, of the rows below
  at::Tensor image_nD;  ///< L2-normalized
  at::Tensor text_nD;
  at::Tensor teacher_nX;  ///< undefined without an external teacher
};

/// The supervision of one modality, the student, by the clusters of another one, its teacher.
struct PrototypeTargets {
  at::Tensor labels_E;       ///< int64 on the CPU: the teacher's cluster, -1 where there is no sample
  at::Tensor prototypes_KD;  ///< in the student's space
  at::Tensor expected_KD;    ///< see expected_prototypes; the same tensor as the prototypes with hard targets
};

/// All targets of an episode. Undefined tensors mean that nothing was clustered.
struct EpisodePrototypes {
  PrototypeTargets image, text;  ///< each supervised by the other
  std::optional<PrototypeTargets> image_by_teacher, text_by_teacher;

  bool are_defined() const { return image.labels_E.defined(); }

  /// To be saved in a checkpoint, and the reverse. Loading throws UserError if something is missing.
  NamedTensors state() const;
  static EpisodePrototypes from_state(const NamedTensors& state, c10::Device device);
};

struct ClusteringOptions {
  std::int64_t episode = 0;  ///< its places
  std::int64_t clusters = 0;
  std::function<void()> between_iterations = {};  ///< see KMeansOptions
};

/// Clusters the features of an episode, and translates the clusters of one modality into prototypes of the other (Chen et al.,
/// ProtoCLIP). Images are supervised by the clusters of texts, texts by those of images, and both by those of the external
/// teacher. Adds the objectives of K-means to `metrics`. A collective operation, with the same result for any number of ranks.
/// Throws UserError if there are fewer samples than clusters.
EpisodePrototypes make_prototypes(const EpisodeFeatures& features, const ProtoClipConfig& config,
                                  const ClusteringOptions& options, const Collectives& collectives,
                                  NamedNumbers& metrics);

}  // namespace cloob
