#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "cloob/config/field.h"
#include "cloob/model/feature_stage.h"

namespace cloob {

/// Which captions of an image are used in retrieval.
enum class EvalCaptions { all, first };

template <>
struct EnumNames<EvalCaptions> {
  static constexpr std::array<std::pair<std::string_view, EvalCaptions>, 2> names = {
      {{"all", EvalCaptions::all}, {"first", EvalCaptions::first}}};
};

/// Section `eval.evaluations.NAME`: settings of one evaluation.
struct EvaluationConfig {
  std::optional<std::int64_t> every_epochs;
  std::optional<std::int64_t> every_steps;
  std::optional<bool> at_end;
  std::optional<std::int64_t> max_samples;

  static constexpr auto fields() {
    using C = EvaluationConfig;
    return std::tuple(field("every_epochs", &C::every_epochs,
                            "Overrides eval.every_epochs for this evaluation.", Range{0, 1e6}),
                      field("every_steps", &C::every_steps, "Overrides eval.every_steps for this evaluation.",
                            Range{1, 1e9}),
                      field("at_end", &C::at_end, "Overrides eval.at_end for this evaluation."),
                      field("max_samples", &C::max_samples, "Overrides eval.max_samples for this evaluation.",
                            Range{1, 1e12}));
  }
};
static_assert(lists_every_member<EvaluationConfig>);

/// Section `eval.linear_probe.NAME`: a linear classifier of image features, trained at every evaluation.
struct LinearProbeConfig {
  std::string train;
  std::string test;
  FeatureStage features = FeatureStage::tower;

  static constexpr auto fields() {
    using C = LinearProbeConfig;
    return std::tuple(
        field(
            "train", &C::train,
            "Images to learn from: a folder with one subfolder of images per class, or the split 'train' of a "
            "clip-benchmark folder of shards."),
        field(
            "test", &C::test,
            "Images to test on, of the same classes: a folder as above, or the split 'test' of a clip-benchmark "
            "folder of shards, which may be the same one."),
        field(
            "features", &C::features,
            "Features: unit, L2-normalized as in the loss; raw, before that; tower, before the projection."));
  }
};
static_assert(lists_every_member<LinearProbeConfig>);

/// Section `eval.clusters.NAME`: clusters of image features, compared with classes at every evaluation.
struct ClustersConfig {
  std::string data;
  std::optional<std::int64_t> clusters;
  FeatureStage features = FeatureStage::unit;

  static constexpr auto fields() {
    using C = ClustersConfig;
    return std::tuple(
        field(
            "data", &C::data,
            "Images with classes: a folder with one subfolder of images per class, or the split 'test' of a "
            "clip-benchmark folder of shards."),
        field("clusters", &C::clusters, "Clusters. Unset: as many as classes.", Range{1, 1e9}),
        field("features", &C::features, "Features, as for eval.linear_probe."));
  }
};
static_assert(lists_every_member<ClustersConfig>);

/// Section `eval`: evaluation during training. The validation pairs are `data.val`.
struct EvalConfig {
  std::int64_t every_epochs = 1;
  std::optional<std::int64_t> every_steps;
  bool at_end = true;
  std::optional<std::int64_t> max_samples;
  bool before_training = false;
  std::int64_t batch_size = 256;
  std::int64_t loss_batch_size = 256;
  EvalCaptions captions = EvalCaptions::all;
  std::vector<std::string> zero_shot;
  std::optional<std::string> class_names;
  std::optional<std::string> templates;
  std::map<std::string, LinearProbeConfig> linear_probe;
  std::map<std::string, ClustersConfig> clusters;
  std::map<std::string, EvaluationConfig> evaluations;

  static constexpr auto fields() {
    return std::tuple(
        field("every_epochs", &EvalConfig::every_epochs,
              "Evaluate every this many epochs; 0 disables evaluation by epochs.", Range{0, 1e6}),
        field("every_steps", &EvalConfig::every_steps,
              "Also evaluate every this many optimizer steps. Unset: only at the end of epochs.",
              Range{1, 1e9}),
        field("at_end", &EvalConfig::at_end, "Evaluate after the last step."),
        field("max_samples", &EvalConfig::max_samples,
              "Maximum number of images in an evaluation, evenly spaced over its data. Unset: all.",
              Range{1, 1e12}),
        field("before_training", &EvalConfig::before_training,
              "Also evaluate before the first step, so that the curves start with the initial weights."),
        field("batch_size", &EvalConfig::batch_size,
              "Images or texts encoded at once. Affects speed and memory, not the results.", Range{1, 1e6}),
        field(
            "loss_batch_size", &EvalConfig::loss_batch_size,
            "Pairs in one batch of the validation loss; the mean over all batches is reported. A contrastive "
            "loss grows with the batch size, so only runs with the same value are comparable.",
            Range{2, 1e6}),
        field("captions", &EvalConfig::captions,
              "Whether retrieval uses all captions of an image or only the first."),
        field("zero_shot", &EvalConfig::zero_shot,
              "Data for zero-shot classification: folders with one subfolder of images per class, or "
              "clip-benchmark folders of shards. Metrics are named after the last component of the path; "
              "NAME=PATH gives another name."),
        field(
            "class_names", &EvalConfig::class_names,
            "Class names for all of zero_shot: a file with one name per line, a JSON file as FILE.json or "
            "FILE.json:DATASET, or the name of a clip-benchmark data set such as imagenet1k; in the order of "
            "the class subfolders, which is that of their numbers if all are numbers and otherwise that of "
            "their names. Unset: classnames.txt in the folder, or else ImageNet's names if the subfolders "
            "are its WordNet ids, or else the names of the subfolders."),
        field("templates", &EvalConfig::templates,
              "Prompt templates for all of zero_shot, with {c} or {} in place of the class name; given like "
              "class_names. Unset: templates.txt or zeroshot_classification_templates.txt in the folder, or "
              "else ImageNet's with its names, or else 'a photo of a {c}.'."),
        field(
            "linear_probe", &EvalConfig::linear_probe,
            "Linear probes by name, each a logistic regression as 'cloob eval linear-probe' fits it. Metrics are "
            "named after it; max_samples limits the images to test on."),
        field(
            "clusters", &EvalConfig::clusters,
            "K-means of image features by name, as 'cloob eval clusters' does it: how far the clusters agree with "
            "classes. Metrics are named after it."),
        field(
            "evaluations", &EvalConfig::evaluations,
            "Schedule and number of images of individual evaluations: pairs is the one on data.val, the "
            "others are those of zero_shot, linear_probe and clusters. If an evaluation sets every_epochs or "
            "every_steps, the general ones do not apply to it."));
  }

  /// Throws UserError if two evaluations have the same name, or if a linear probe or clusters lack their data.
  void validate() const;
  /// Throws UserError if the evaluation on `data.val` would have too few samples for a loss.
  void require_pairs() const;
};
static_assert(lists_every_member<EvalConfig>);

/// The evaluation on `data.val`.
inline constexpr const char* kPairEvaluation = "pairs";

/// When an evaluation runs, and on how many images.
struct EvaluationSchedule {
  std::int64_t every_epochs = 1;  ///< 0: never by epochs
  std::optional<std::int64_t> every_steps;
  bool at_end = true;
  std::optional<std::int64_t> max_samples;
};

/// The general settings, overridden by those of `eval.evaluations.NAME`.
EvaluationSchedule schedule_of(const EvalConfig& config, const std::string& name);

}  // namespace cloob
