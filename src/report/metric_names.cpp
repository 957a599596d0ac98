#include "cloob/report/metric_names.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "cloob/base/text.h"

namespace cloob {
namespace {

struct Entry {
  std::string_view name;  // without "val/"
  std::string_view label;
  Better better;
  MetricGroup group;
};

using enum Better;
using enum MetricGroup;

constexpr Entry kEntries[] = {
    {"train/loss", "training loss", lower, loss},
    {"loss", "validation loss", lower, loss},
    {"image_to_text_median_rank", "image to text, median rank", lower, recall},
    {"image_to_text_mean_rank", "image to text, mean rank", lower, recall},
    {"text_to_image_median_rank", "text to image, median rank", lower, recall},
    {"text_to_image_mean_rank", "text to image, mean rank", lower, recall},
    {"effective_eigenvalues_image", "effective eigenvalues, images", neither, features},
    {"effective_eigenvalues_text", "effective eigenvalues, texts", neither, features},
    {"effective_rank_image", "effective rank, images", neither, features},
    {"effective_rank_text", "effective rank, texts", neither, features},
    {"alignment", "alignment of pairs", neither, features},
    {"uniformity_image", "uniformity, images", neither, features},
    {"uniformity_text", "uniformity, texts", neither, features},
    {"ajne_image", "Ajne statistic, images", neither, features},
    {"ajne_text", "Ajne statistic, texts", neither, features},
    {"modality_gap", "modality gap", neither, features},
    {"positive_mass", "mass on the positive", neither, saturation},
    {"gradient_weight", "gradient weight", neither, saturation},
    {"retrieval_entropy", "entropy of the Hopfield retrieval", neither, saturation},
    {"train/positive_mass", "mass on the positive, training", neither, saturation},
    {"train/gradient_weight", "gradient weight, training", neither, saturation},
    {"train/retrieval_entropy", "entropy of the Hopfield retrieval, training", neither, saturation},
    {"train/loss_clip", "contrastive loss, training", lower, loss},
    {"train/loss_proto", "prototype loss, training", lower, loss},
    {"train/loss_teacher", "teacher's prototype loss, training", lower, loss},
    {"train/prototype_accuracy_image", "images in the right text cluster, training", higher, training},
    {"train/prototype_accuracy_text", "texts in the right image cluster, training", higher, training},
    {"train/teacher_accuracy_image", "images in the right cluster of the teacher, training", higher,
     training},
    {"train/teacher_accuracy_text", "texts in the right cluster of the teacher, training", higher, training},
    {"train/prototype_logit_scale", "inverse temperature of the prototype losses", neither, training},
    {"episode/kmeans_objective", "K-means objective", neither, training},
    {"episode/modality_gap", "modality gap of projected features", neither, features},
    {"train/lr", "learning rate", neither, training},
    {"train/lr_image", "learning rate, image tower", neither, training},
    {"train/logit_scale", "inverse temperature of the loss", neither, training},
    {"train/logit_bias", "bias of the loss", neither, training},
    {"train/beta", "inverse temperature of the retrieval (beta)", neither, training},
    {"train/grad_norm", "gradient norm", neither, training},
    {"train/grad_norm_image", "gradient norm, image tower", neither, training},
    {"train/grad_norm_text", "gradient norm, text tower", neither, training},
};

// Of metrics that are named after a data set: "cifar10_acc1", and also "acc1" alone.
struct Suffix {
  std::string_view name;
  std::string_view label;
  MetricGroup group;
  bool is_fraction = true;
};
constexpr Suffix kSuffixes[] = {
    {"clusters_ari", "clusters and classes, adjusted Rand index", features, false},
    {"clusters_ami", "clusters and classes, adjusted mutual information", features, false},
    {"lp_acc1", "linear probe, top-1 accuracy", probe},
    {"lp_mean_per_class_recall", "linear probe, mean recall of classes", probe},
    {"knn_acc1", "k-NN, top-1 accuracy", probe},
    {"acc1", "zero-shot, top-1 accuracy", zero_shot},
    {"acc5", "zero-shot, top-5 accuracy", zero_shot},
    {"acc1_seen", "zero-shot, top-1 accuracy of seen classes", zero_shot},
    {"acc1_unseen", "zero-shot, top-1 accuracy of unseen classes", zero_shot},
    {"acc1_harmonic_mean", "zero-shot, harmonic mean of seen and unseen accuracy", zero_shot},
    {"mean_per_class_recall", "zero-shot, mean recall of classes", zero_shot},
};

std::string_view without_val(std::string_view metric) {
  return metric.starts_with("val/") ? metric.substr(4) : metric;
}

std::optional<MetricName> recall_name(std::string_view name) {
  using Prefix = std::pair<std::string_view, std::string_view>;
  for (const auto& [prefix, label] :
       {Prefix("image_to_text_R@", "image to text"), Prefix("text_to_image_R@", "text to image")}) {
    if (name.starts_with(prefix) && parse_integer(name.substr(prefix.size())))
      return MetricName{fmt::format("{}, recall at {}", label, name.substr(prefix.size())), higher, recall,
                        true};
  }
  return std::nullopt;
}

std::optional<MetricName> data_set_name(std::string_view name) {
  for (const Suffix& suffix : kSuffixes) {
    if (name == suffix.name)
      return MetricName{std::string(suffix.label), higher, suffix.group, suffix.is_fraction};
    if (name.size() <= suffix.name.size() + 1 || !name.ends_with(suffix.name)) continue;
    const std::string_view set = name.substr(0, name.size() - suffix.name.size() - 1);
    if (name[set.size()] == '_')
      return MetricName{fmt::format("{}: {}", set, suffix.label), higher, suffix.group, suffix.is_fraction};
  }
  return std::nullopt;
}

// Of recall at k when a ranking is random. An image has several texts, of which one has to be among the first k.
std::optional<double> chance_of_recall(const std::string& metric, const MetricLookup& last_value) {
  const std::size_t at = metric.rfind("R@");
  const auto images = last_value("val/num_images"), texts = last_value("val/num_texts");
  const auto k = at == std::string::npos ? std::nullopt : parse_double(metric.substr(at + 2));
  if (!k || !images || !texts || *images < 1 || *texts < 1) return std::nullopt;
  if (metric.find("text_to_image") != std::string::npos) return std::min(1.0, *k / *images);
  double all_missed = 1;
  const double texts_of_image = *texts / *images;
  for (double place = 0; place < *k; ++place)
    all_missed *= std::max(0.0, 1 - texts_of_image / std::max(1.0, *texts - place));
  return 1 - all_missed;
}

std::string without_suffix(const std::string& metric, std::string_view suffix) {
  return metric.substr(0, metric.size() - suffix.size());
}

// Of the names that an evaluation gives its counts: it has one number of classes for all its classifiers, "val/a_lp_acc1" and
// "val/a_num_classes".
std::optional<std::string> classes_prefix(const std::string& metric) {
  constexpr std::string_view kAccuracy = "acc1";
  const bool is_accuracy = metric.ends_with("_acc1") || metric.ends_with("/acc1");
  if (!is_accuracy) return std::nullopt;
  std::string prefix = without_suffix(metric, kAccuracy);
  for (const std::string_view classifier : {"lp_", "knn_"}) {
    if (!prefix.ends_with(classifier)) continue;
    const std::string shorter = without_suffix(prefix, classifier);
    if (shorter.ends_with('_') || shorter.ends_with('/')) return shorter;
  }
  return prefix;
}

}  // namespace

std::string_view title_of(MetricGroup group) {
  switch (group) {
    case recall:
      return "Image-text recall";
    case zero_shot:
      return "Zero-shot classification";
    case probe:
      return "Classifiers on the features";
    case loss:
      return "Loss";
    case features:
      return "What the features are like";
    case saturation:
      return "Saturation and retrieval";
    case training:
      return "Training";
    case other:
      break;
  }
  return "Other measures";
}

MetricName metric_name(std::string_view metric) {
  const std::string_view name = without_val(metric);
  for (const Entry& entry : kEntries) {
    if (entry.name == name) return {std::string(entry.label), entry.better, entry.group, false};
  }
  if (const auto found = recall_name(name)) return *found;
  if (const auto found = metric.starts_with("train/") ? std::nullopt : data_set_name(name)) return *found;
  if (name.ends_with("loss")) return {std::string(name), lower, loss, false};
  return {std::string(name), neither, metric.starts_with("train/") ? training : other, false};
}

bool is_amount(std::string_view name) { return name.ends_with("num_images") || name.ends_with("num_texts"); }

bool is_measure(std::string_view name) {
  return name.find("num_") == std::string_view::npos && !name.ends_with("seconds") &&
         !name.ends_with("batch_size") && !name.ends_with("chance_loss");
}

std::optional<double> chance_level(const std::string& metric, const MetricLookup& last_value) {
  if (metric.ends_with("loss")) return last_value(without_suffix(metric, "loss") + "chance_loss");
  if (const auto prefix = classes_prefix(metric)) {
    const auto classes = last_value(*prefix + "num_classes");
    return classes && *classes > 0 ? std::optional(1 / *classes) : std::nullopt;
  }
  return chance_of_recall(metric, last_value);
}

std::optional<double> chance_margin(const std::string& metric, double chance,
                                    const MetricLookup& last_value) {
  std::optional<double> queries;
  if (const auto prefix = classes_prefix(metric)) {
    queries = last_value(*prefix + "num_samples");
  } else if (metric.find("R@") != std::string::npos) {
    const bool from_texts = metric.find("text_to_image") != std::string::npos;
    queries = last_value(from_texts ? "val/num_texts" : "val/num_images");
  }
  if (!queries || *queries < 1 || chance < 0 || chance > 1) return std::nullopt;
  return 3 * std::sqrt(chance * (1 - chance) / *queries);
}

std::string plain_text(const MetricName& name, double value) {
  if (std::isnan(value)) return "-";
  if (name.is_fraction) return fmt::format("{:.1f}", 100 * value);
  constexpr double kThousands = 1e4, kMax = 1e12;
  const double size = std::abs(value);
  return size >= kThousands && size < kMax ? with_thousands(std::llround(value))
                                           : fmt::format("{:.4g}", value);
}

std::string value_text(const MetricName& name, double value) {
  return plain_text(name, value) + (name.is_fraction && !std::isnan(value) ? " %" : "");
}

std::string difference_text(const MetricName& name, double difference) {
  return name.is_fraction && !std::isnan(difference) ? fmt::format("{:.1f} points", 100 * difference)
                                                     : fmt::format("{:.3g}", difference);
}

}  // namespace cloob
