#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "cloob/base/collectives.h"
#include "cloob/report/named_numbers.h"

namespace cloob {

/// Of images whose class occurred in training ("seen") and of the others, each classified among all classes, as in OVEN: the
/// accuracy of a model that knows only what it has seen has a harmonic mean of 0. Fractions, 0 to 1; NaN without images.
struct SeenUnseenMetrics {
  double acc1_seen = 0, acc1_unseen = 0;
  double harmonic_mean = 0;
  std::int64_t num_seen = 0, num_unseen = 0;  ///< images
};

/// Fractions, 0 to 1.
struct ZeroShotMetrics {
  double acc1 = 0;
  std::optional<double> acc5;        ///< Nullopt with fewer than 5 classes.
  double mean_per_class_recall = 0;  ///< Over the classes that occur in the labels.
  std::int64_t num_samples = 0;
  std::optional<SeenUnseenMetrics> seen_unseen = std::nullopt;  ///< Nullopt if it is not asked for.
};

/// How one image was classified.
struct ZeroShotOutcome {
  std::int32_t label = 0;
  std::int32_t rank = 0;  ///< of its class among all, from 0
};

/// Accumulates the accuracy of a classifier over batches. Classes with equal scores are ranked by index.
class ZeroShotMeter {
 public:
  /// Needs num_classes >= 1.
  explicit ZeroShotMeter(std::int64_t num_classes);

  /// `scores_BK` is (batch, classes), the largest score of a row is the prediction; `labels` are the correct
  /// classes of the rows. Throws UserError if a label is not a valid class or a score is not finite.
  void add(const at::Tensor& scores_BK, std::span<const std::int64_t> labels);
  /// Classifies images by the inner products of their features with the classifier weights, and adds the results.
  void add_images(const at::Tensor& image_features_BD, const at::Tensor& classifier_KD,
                  std::span<const std::int64_t> labels);
  /// Adds the counts of all other ranks, whose number of classes is the same. A collective operation.
  void add_other_ranks(const Collectives& collectives);

  /// Of the images that were added here, in their order.
  const std::vector<ZeroShotOutcome>& outcomes() const { return outcomes_; }

  /// Throws UserError if nothing was added.
  ZeroShotMetrics metrics() const;
  /// `is_seen` is by class.
  SeenUnseenMetrics seen_unseen(const std::vector<bool>& is_seen) const;

 private:
  struct Counts {
    std::int64_t num_samples = 0;
    std::int64_t num_correct = 0;
    std::int64_t num_in_top_5 = 0;
  };
  std::vector<Counts> classes_;
  std::vector<ZeroShotOutcome> outcomes_;
};

/// The classifier weights of K classes from the features of their T prompts: the normalized mean of the
/// normalized features. (K, T, D) -> (K, D).
at::Tensor zero_shot_classifier(const at::Tensor& prompt_features_KTD);

/// {"acc1", ...}, {"acc5", ...}, {"mean_per_class_recall", ...}, {"num_samples", ...}; a missing acc5 is NaN,
/// which is null in JSON. With `seen_unseen` also {"acc1_seen", ...}, {"acc1_unseen", ...}, {"acc1_harmonic_mean", ...},
/// {"num_seen", ...}, {"num_unseen", ...}.
NamedNumbers named_numbers(const ZeroShotMetrics& metrics);

}  // namespace cloob
