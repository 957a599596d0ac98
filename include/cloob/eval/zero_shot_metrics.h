#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "cloob/report/named_numbers.h"

namespace cloob {

/// Fractions, 0 to 1.
struct ZeroShotMetrics {
  double acc1 = 0;
  std::optional<double> acc5;        ///< Nothing with fewer than 5 classes.
  double mean_per_class_recall = 0;  ///< Over the classes that occur among the labels.
  std::int64_t num_samples = 0;
};

/// Counts hits of a classifier, batch by batch. Of classes with the same score the one with the lower index
/// is first.
class ZeroShotMeter {
 public:
  /// Needs num_classes >= 1.
  explicit ZeroShotMeter(std::int64_t num_classes);

  /// `scores_BK` is (batch, classes), the greatest of a row is the answer; `labels` holds the right class of
  /// each row. Throws UserError when a label is no class or a score is not finite.
  void add(const at::Tensor& scores_BK, std::span<const std::int64_t> labels);

  /// Throws UserError when nothing was added.
  ZeroShotMetrics metrics() const;

 private:
  struct ClassCounts {
    std::int64_t num_samples = 0;
    std::int64_t num_right = 0;
  };
  std::vector<ClassCounts> classes_;
  std::int64_t num_in_first_5_ = 0;
};

/// The vectors of K classes from the features of their T prompts: the normalised mean of the normalised
/// features. (K, T, D) -> (K, D).
at::Tensor zero_shot_classifier(const at::Tensor& prompt_features_KTD);

/// Classifies N images, a block at a time, by the products of their features with the vectors of the classes.
ZeroShotMetrics zero_shot_metrics(const at::Tensor& image_features_ND, const at::Tensor& classifier_KD,
                                  std::span<const std::int64_t> labels);

/// {"acc1", ...}, {"acc5", ...}, {"mean_per_class_recall", ...}, {"num_samples", ...}; no acc5 is NaN, in
/// JSON null.
NamedNumbers named_numbers(const ZeroShotMetrics& metrics);

}  // namespace cloob
