// The settings of `cloob eval suite`: which data sets, and what is measured on each.
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
#include "cloob/data/data_config.h"
#include "cloob/eval/eval_config.h"
#include "cloob/eval/probe/linear_probe.h"
#include "cloob/model/feature_stage.h"

namespace cloob {

/// What can be measured on a data set.
enum class SuiteTask { zero_shot, retrieval, linear_probe, knn, few_shot };

template <>
struct EnumNames<SuiteTask> {
  static constexpr std::array<std::pair<std::string_view, SuiteTask>, 5> names = {
      {{"zero_shot", SuiteTask::zero_shot},
       {"retrieval", SuiteTask::retrieval},
       {"linear_probe", SuiteTask::linear_probe},
       {"knn", SuiteTask::knn},
       {"few_shot", SuiteTask::few_shot}}};
};

/// Section `sets.NAME`: a data set.
struct SuiteSetConfig {
  std::string path;
  std::vector<SuiteTask> tasks;
  std::optional<std::string> split;
  std::optional<std::string> train_split;
  std::optional<std::string> train;
  std::optional<std::string> class_names;
  std::optional<std::string> templates;
  EvalCaptions captions = EvalCaptions::all;
  std::optional<FeatureStage> features;
  std::optional<std::int64_t> max_samples;
  std::string language = "en";
  DataConfig data;

  static constexpr auto fields() {
    using C = SuiteSetConfig;
    return std::tuple(
        field("path", &C::path,
              "A folder with one subfolder of images per class, or with such folders for each split; a "
              "clip-benchmark folder of shards; or, for retrieval, a table or tar shards, named as in "
              "data.train."),
        field(
            "tasks", &C::tasks,
            "What is measured. Empty: zero_shot on images with classes, retrieval on images with captions."),
        field("split", &C::split, "The split to evaluate on. Unset: test, if the folder has splits."),
        field(
            "train_split", &C::train_split,
            "The split that linear_probe, knn and few_shot learn from. Unset: train, if the folder has splits."),
        field("train", &C::train,
              "The folder of images that linear_probe, knn and few_shot learn from. Unset: train_split of "
              "path."),
        field("class_names", &C::class_names,
              "Class names, given as in eval.class_names of a run; files start from eval.root. Unset: those "
              "of the data set, as there."),
        field("templates", &C::templates,
              "Prompt templates, given as in eval.templates of a run; files start from eval.root. Unset: "
              "those of the data set, as there."),
        field("captions", &C::captions, "Whether retrieval uses all captions of an image or only the first."),
        field("features", &C::features, "Overrides eval.features for this data set."),
        field("max_samples", &C::max_samples, "Overrides eval.max_samples for this data set.",
              Range{1, 1e12}),
        field("language", &C::language, "Language of names and prompts, written into the results."),
        field("data", &C::data, "How tables and tar shards are read, and how many images may be unusable."));
  }
};
static_assert(lists_every_member<SuiteSetConfig>);

/// Section `eval`: what holds for all data sets.
struct SuiteSettings {
  std::optional<std::string> root;
  std::optional<std::int64_t> max_samples;
  std::optional<FeatureStage> features;
  ProbeMethod probe_method = ProbeMethod::logistic;
  std::optional<double> probe_c;
  std::int64_t knn_k = 20;
  double knn_temperature = 0.07;
  std::vector<std::int64_t> shots = {1, 2, 4, 8, 16};
  std::int64_t shot_draws = 10;
  std::int64_t bootstrap_draws = 1000;
  double confidence = 0.95;
  std::int64_t seed = 0;

  static constexpr auto fields() {
    using C = SuiteSettings;
    return std::tuple(
        field("root", &C::root,
              "Folder that the relative paths of the data sets start from. Unset: the folder in which the "
              "program was started."),
        field("max_samples", &C::max_samples,
              "Maximum number of images to evaluate on, evenly spaced over each data set. Unset: all.",
              Range{1, 1e12}),
        field("features", &C::features,
              "Image features for linear_probe, knn and few_shot: unit is L2-normalized, raw before that, "
              "tower before the projection to the shared space. Unset: tower, for knn unit."),
        field("probe_method", &C::probe_method,
              "How linear_probe learns: logistic regression as CLIP does it, or ProtoCLIP's stochastic "
              "gradient descent."),
        field("probe_c", &C::probe_c,
              "Inverse strength of the regulariser of the logistic regression. Unset: chosen on a fifth of "
              "the images to learn from.",
              Range{1e-12, 1e12}),
        field("knn_k", &C::knn_k, "Number of nearest images that vote in knn.", Range{1, 1e6}),
        field("knn_temperature", &C::knn_temperature,
              "Temperature of the votes of knn, which count exp(cosine / temperature).", Range{1e-4, 1e4}),
        field("shots", &C::shots, "Numbers of images of each class that few_shot learns from.",
              Range{1, 1e6}),
        field("shot_draws", &C::shot_draws, "Random choices of these images, over which few_shot averages.",
              Range{1, 10'000}),
        field("bootstrap_draws", &C::bootstrap_draws,
              "Draws of the bootstrap for the confidence intervals; 0 leaves them out.", Range{0, 1e6}),
        field("confidence", &C::confidence, "Confidence level of the intervals, as a fraction.",
              Range{0.5, 0.9999}),
        field("seed", &C::seed, "Seed of the bootstrap and of the choice of few-shot examples.",
              Range{0, 1e15}));
  }
  void validate() const;
};
static_assert(lists_every_member<SuiteSettings>);

/// A file for `cloob eval suite`.
struct SuiteConfig {
  SuiteSettings eval;
  std::map<std::string, SuiteSetConfig> sets;

  static constexpr auto fields() {
    return std::tuple(field("eval", &SuiteConfig::eval, "What holds for all data sets."),
                      field("sets", &SuiteConfig::sets, "The data sets by name."));
  }
  void validate() const;
};
static_assert(lists_every_member<SuiteConfig>);

}  // namespace cloob
