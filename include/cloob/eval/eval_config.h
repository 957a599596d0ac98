#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "cloob/config/field.h"

namespace cloob {

/// Which captions of an image take part in retrieval.
enum class EvalCaptions { all, first };

template <>
struct EnumNames<EvalCaptions> {
  static constexpr std::array<std::pair<std::string_view, EvalCaptions>, 2> names = {
      {{"all", EvalCaptions::all}, {"first", EvalCaptions::first}}};
};

/// Evaluation during training. The pairs to validate on are `data.val`.
struct EvalConfig {
  std::int64_t every_epochs = 1;
  std::optional<std::int64_t> every_steps;
  bool before_training = false;
  std::int64_t batch_size = 256;
  std::int64_t loss_batch_size = 256;
  EvalCaptions captions = EvalCaptions::all;
  std::vector<std::string> zero_shot;
  std::optional<std::string> class_names;
  std::optional<std::string> templates;

  static constexpr auto fields() {
    return std::tuple(
        field("every_epochs", &EvalConfig::every_epochs,
              "Evaluate after every so many epochs; 0 leaves evaluation to every_steps. After the last step "
              "the model is "
              "evaluated in any case, provided that there is something to evaluate on.",
              Range{0, 1e6}),
        field("every_steps", &EvalConfig::every_steps,
              "Evaluate after every so many optimizer steps as well. Unset: at the ends of epochs only.",
              Range{1, 1e9}),
        field("before_training", &EvalConfig::before_training,
              "Also evaluate before the first step, so that the curves begin with the initial weights."),
        field("batch_size", &EvalConfig::batch_size,
              "Images, or texts, that are encoded at once. It changes speed and memory, not the results.",
              Range{1, 1e6}),
        field("loss_batch_size", &EvalConfig::loss_batch_size,
              "Pairs over which one validation loss is taken; the mean over all such batches is reported. A "
              "contrastive "
              "loss grows with the batch, so only runs with the same number here can be compared.",
              Range{2, 1e6}),
        field("captions", &EvalConfig::captions,
              "Whether retrieval counts all captions of an image or its first one only."),
        field("zero_shot", &EvalConfig::zero_shot,
              "Data for zero-shot classification: folders with one folder of images per class, or "
              "clip-benchmark's "
              "folders of shards. Metrics are named after the last part of the path."),
        field("class_names", &EvalConfig::class_names,
              "Names of the classes for all of zero_shot: a file with one name a line, a JSON file as "
              "FILE.json or "
              "FILE.json:DATASET, or the name of a data set of clip-benchmark such as imagenet1k. Unset: the "
              "folder's own "
              "classnames.txt, or else the names of the class folders."),
        field("templates", &EvalConfig::templates,
              "Prompts for all of zero_shot, with {c} or {} where the name of the class stands; given like "
              "class_names. "
              "Unset: the folder's own zeroshot_classification_templates.txt, or else 'a photo of a {c}.'."));
  }
};
static_assert(lists_every_member<EvalConfig>);

}  // namespace cloob
