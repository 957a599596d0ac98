// Shapes: B images of one batch, K classes, T prompts of a class, D features.
#include "cloob/eval/zero_shot_metrics.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <array>
#include <limits>

#include "cloob/base/error.h"
#include "cloob/base/full_precision.h"
#include "cloob/eval/feature_encoder.h"
#include "eval/ranks.h"

namespace cloob {

ZeroShotMeter::ZeroShotMeter(std::int64_t num_classes) : classes_(static_cast<std::size_t>(num_classes)) {
  CLOOB_CHECK(num_classes >= 1, "{} classes", num_classes);
}

void ZeroShotMeter::add(const at::Tensor& scores_BK, std::span<const std::int64_t> labels) {
  const auto num_classes = static_cast<std::int64_t>(classes_.size());
  CLOOB_CHECK(
      scores_BK.size(0) == static_cast<std::int64_t>(labels.size()) && scores_BK.size(1) == num_classes,
      "{} x {} scores for {} labels and {} classes", scores_BK.size(0), scores_BK.size(1), labels.size(),
      num_classes);
  for (const std::int64_t label : labels) {
    if (label < 0 || label >= num_classes) {
      throw_user_error(
          "a sample has the label {}, but there are {} class names (labels 0 to {}): provide one name for "
          "every class of the data",
          label, num_classes, num_classes - 1);
    }
  }
  require_finite_features(scores_BK, "image");
  const at::Tensor label_B =
      at::tensor(at::ArrayRef(labels.data(), labels.size()), at::kLong).to(scores_BK.device());
  const at::Tensor rank_B = ranks_in_rows(scores_BK, label_B).cpu();
  const std::int64_t* const rank = rank_B.const_data_ptr<std::int64_t>();
  for (std::size_t i = 0; i < labels.size(); ++i) {
    Counts& counts = classes_[static_cast<std::size_t>(labels[i])];
    ++counts.num_samples;
    if (rank[i] == 0) ++counts.num_correct;
    if (rank[i] < 5) ++counts.num_in_top_5;
    outcomes_.push_back({static_cast<std::int32_t>(labels[i]), static_cast<std::int32_t>(rank[i])});
  }
}

void ZeroShotMeter::add_images(const at::Tensor& image_features_BD, const at::Tensor& classifier_KD,
                               std::span<const std::int64_t> labels) {
  const OutsideAutocast full_precision;
  const at::Tensor image_BD = at_least_fp32(image_features_BD);
  const at::Tensor class_DK = at_least_fp32(classifier_KD).t();
  const std::int64_t block = rows_per_block(classifier_KD.size(0));
  for (std::int64_t begin = 0; begin < image_BD.size(0); begin += block) {
    const std::int64_t end = std::min(begin + block, image_BD.size(0));
    add(image_BD.slice(0, begin, end).matmul(class_DK),
        labels.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin)));
  }
}

void ZeroShotMeter::add_other_ranks(const Collectives& collectives) {
  static_assert(sizeof(Counts) == 3 * sizeof(std::int64_t));
  const at::Tensor counts_K3 =
      at::from_blob(classes_.data(), {std::ssize(classes_), 3}, at::TensorOptions().dtype(at::kLong));
  collectives.sum_in_place(std::array{counts_K3});
}

ZeroShotMetrics ZeroShotMeter::metrics() const {
  std::int64_t num_samples = 0;
  std::int64_t num_correct = 0;
  std::int64_t num_in_top_5 = 0;
  std::int64_t num_occurring = 0;
  double sum_of_recalls = 0;
  for (const Counts& counts : classes_) {
    if (counts.num_samples == 0) continue;
    num_samples += counts.num_samples;
    num_correct += counts.num_correct;
    num_in_top_5 += counts.num_in_top_5;
    ++num_occurring;
    sum_of_recalls += static_cast<double>(counts.num_correct) / static_cast<double>(counts.num_samples);
  }
  if (num_samples == 0)
    throw_user_error("zero-shot classification needs at least one image, but the data has none");
  const auto fraction = [&](std::int64_t count) {
    return static_cast<double>(count) / static_cast<double>(num_samples);
  };
  return {.acc1 = fraction(num_correct),
          .acc5 = classes_.size() >= 5 ? std::optional(fraction(num_in_top_5)) : std::nullopt,
          .mean_per_class_recall = sum_of_recalls / static_cast<double>(num_occurring),
          .num_samples = num_samples};
}

SeenUnseenMetrics ZeroShotMeter::seen_unseen(const std::vector<bool>& is_seen) const {
  CLOOB_CHECK(is_seen.size() == classes_.size(), "{} classes are seen or not, of {}", is_seen.size(),
              classes_.size());
  SeenUnseenMetrics metrics;
  std::int64_t num_correct_seen = 0, num_correct_unseen = 0;
  for (std::size_t label = 0; label < classes_.size(); ++label) {
    const Counts& counts = classes_[label];
    (is_seen[label] ? metrics.num_seen : metrics.num_unseen) += counts.num_samples;
    (is_seen[label] ? num_correct_seen : num_correct_unseen) += counts.num_correct;
  }
  const auto fraction = [](std::int64_t part, std::int64_t whole) {
    return whole == 0 ? std::numeric_limits<double>::quiet_NaN()
                      : static_cast<double>(part) / static_cast<double>(whole);
  };
  const double seen = metrics.acc1_seen = fraction(num_correct_seen, metrics.num_seen);
  const double unseen = metrics.acc1_unseen = fraction(num_correct_unseen, metrics.num_unseen);
  metrics.harmonic_mean =
      seen == 0 || unseen == 0 ? 0 * (seen + unseen) : 2 * seen * unseen / (seen + unseen);
  return metrics;
}

at::Tensor zero_shot_classifier(const at::Tensor& prompt_features_KTD) {
  const OutsideAutocast full_precision;
  return unit_rows(unit_rows(prompt_features_KTD).mean(1));
}

NamedNumbers named_numbers(const ZeroShotMetrics& metrics) {
  NamedNumbers numbers = {{"acc1", metrics.acc1},
                          {"acc5", metrics.acc5.value_or(std::numeric_limits<double>::quiet_NaN())},
                          {"mean_per_class_recall", metrics.mean_per_class_recall},
                          {"num_samples", static_cast<double>(metrics.num_samples)}};
  if (const auto& split = metrics.seen_unseen) {
    numbers.insert(numbers.end(), {{"acc1_seen", split->acc1_seen},
                                   {"acc1_unseen", split->acc1_unseen},
                                   {"acc1_harmonic_mean", split->harmonic_mean},
                                   {"num_seen", static_cast<double>(split->num_seen)},
                                   {"num_unseen", static_cast<double>(split->num_unseen)}});
  }
  return numbers;
}

}  // namespace cloob
