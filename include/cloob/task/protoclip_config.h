#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "cloob/config/field.h"

namespace cloob {

/// How images are transformed when an episode's features are extracted.
enum class ExtractionTransform { training, evaluation };

template <>
struct EnumNames<ExtractionTransform> {
  static constexpr std::array<std::pair<std::string_view, ExtractionTransform>, 2> names = {
      {{"training", ExtractionTransform::training}, {"evaluation", ExtractionTransform::evaluation}}};
};

/// Section `protoclip`: prototypes, episodes and the weights of the losses (Chen et al., "ProtoCLIP: Prototypical Contrastive
/// Language Image Pretraining"). The defaults are those of the authors' recipe where it does not depend on the data set.
struct ProtoClipConfig {
  std::optional<std::int64_t> episode_samples;
  std::optional<std::int64_t> prototypes;
  std::int64_t iterations = 20;
  std::int64_t restarts = 1;
  bool spherical = false;
  bool unit_prototypes = false;
  ExtractionTransform extraction = ExtractionTransform::training;
  std::int64_t projection_dim = 128;
  std::int64_t projection_hidden_dim = 2048;
  std::int64_t projection_layers = 1;
  double inv_tau = 1 / 0.07;
  std::optional<double> target_temperature = 0.01;
  bool back_translation = true;
  std::optional<std::string> teacher;
  double w_clip = 1;
  double w_proto = 1;
  double w_teacher = 1;
  std::int64_t warmup_episodes = 1;
  std::int64_t locked_image_episodes = 0;
  double initial_gap = 0;

  static constexpr auto fields() {
    using C = ProtoClipConfig;
    return std::tuple(
        field(
            "episode_samples", &C::episode_samples,
            "Samples of an episode: before each, the features of its samples are clustered into prototypes. Episodes "
            "follow each other in the order of the samples, or, with data.with_replacement, are drawn anew as in the "
            "authors' code. Unset: as many as the data has.",
            Range{2, 1e12}),
        field(
            "prototypes", &C::prototypes,
            "Clusters of an episode, for images and for texts. Unset: one for every ten samples of an episode, at most "
            "20,000.",
            Range{2, 1e9}),
        field("iterations", &C::iterations,
              "Iterations of K-means, fewer if the objective no longer changes.", Range{1, 1e5}),
        field("restarts", &C::restarts,
              "How often K-means starts anew; the best result is kept. The authors' recipe has 3.",
              Range{1, 1000}),
        field("spherical", &C::spherical,
              "Whether K-means normalizes its centroids in every iteration. The authors' code does not."),
        field(
            "unit_prototypes", &C::unit_prototypes,
            "Whether prototypes are normalized before features are compared with them. The authors' code does not: "
            "prototypes of loose clusters are shorter and get smaller scores."),
        field(
            "extraction", &C::extraction,
            "How images are transformed for clustering: as in training (the authors' code) or as in evaluation."),
        field("projection_dim", &C::projection_dim, "Features of the projection heads, which are clustered.",
              Range{1, 65536}),
        field("projection_hidden_dim", &C::projection_hidden_dim, "Width of the hidden layers of the heads.",
              Range{1, 65536}),
        field("projection_layers", &C::projection_layers,
              "Hidden layers of the heads, each with batch norm and ReLU; 0: a linear projection.",
              Range{0, 16}),
        field(
            "inv_tau", &C::inv_tau,
            "Initial inverse temperature of the prototype losses, which is learned. loss.inv_tau_min and inv_tau_max "
            "bound it.",
            Range{1e-3, 1e4}),
        field(
            "target_temperature", &C::target_temperature,
            "Temperature of the soft targets of images and texts: the similarities of the assigned prototype to all "
            "others. null: the assigned prototype alone is the target. Targets of the external teacher always are.",
            Range{1e-6, 1e6}),
        field(
            "back_translation", &C::back_translation,
            "Whether features are compared with the means of their own modality within the clusters of the other one "
            "(prototypical back translation), instead of with the other modality's prototypes."),
        field(
            "teacher", &C::teacher,
            "Features of an external teacher, as `cloob teacher build` writes them: they are clustered as well, and "
            "supervise images and texts. null: none. Needs back_translation."),
        field("w_clip", &C::w_clip, "Weight of the contrastive loss (loss.* and retrieval.*).",
              Range{0.0, 1e6}),
        field("w_proto", &C::w_proto, "Weight of the prototype loss of images and texts.", Range{0.0, 1e6}),
        field("w_teacher", &C::w_teacher, "Weight of the prototype loss of the external teacher.",
              Range{0.0, 1e6}),
        field("warmup_episodes", &C::warmup_episodes,
              "First episodes in which only the contrastive loss is trained, and nothing is clustered.",
              Range{0, 1e9}),
        field(
            "locked_image_episodes", &C::locked_image_episodes,
            "Last episodes in which only the contrastive loss is trained and the image tower has a learning rate of 0; "
            "its schedule ends before them. The authors' recipe has 2.",
            Range{0, 1e9}),
        field(
            "initial_gap", &C::initial_gap,
            "Length of a constant vector that is added to the last bias of the image head at the start, to test how "
            "training copes with a gap between the modalities.",
            Range{0.0, 1e6}));
  }

  /// Throws UserError for a teacher without back translation, and if nothing would be trained.
  void validate() const;

  /// Whether a loss with a weight needs prototypes.
  bool uses_prototypes() const { return w_proto > 0 || (teacher && w_teacher > 0); }
  /// Places of an episode of data with `data_samples` samples.
  std::int64_t samples_of_episode(std::int64_t data_samples) const;
  /// Clusters of an episode with `episode` samples.
  std::int64_t prototypes_of(std::int64_t episode) const;
};
static_assert(lists_every_member<ProtoClipConfig>);

}  // namespace cloob
