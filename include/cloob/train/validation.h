#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cloob/data/labeled_source.h"
#include "cloob/data/source.h"
#include "cloob/eval/eval_config.h"
#include "cloob/eval/evaluate.h"
#include "cloob/eval/feature_encoder.h"
#include "cloob/objective/contrastive_objective.h"
#include "cloob/report/named_numbers.h"
#include "cloob/report/progress.h"
#include "cloob/train/run_config.h"

namespace cloob {

/// What a run is evaluated on, opened once: pairs (`data.val`) and folders for zero-shot classification.
class Validation {
 public:
  /// Opens the data, so that a wrong path is an error before training begins. `objective` must outlive this.
  Validation(const RunConfig& config, FeatureEncoder encoder, const ContrastiveObjective& objective);

  /// Whether there is nothing to evaluate on.
  bool empty() const { return pairs_ == nullptr && zero_shot_.empty(); }

  /// Validation loss, retrieval and zero-shot classification with the weights as they are now, named as in
  /// metrics.jsonl: "val/loss", "val/image_to_text_R@1", "val/NAME_acc1", ... `report` as in EncodeOptions.
  NamedNumbers run(const std::function<void(const Progress& progress)>& report) const;
  /// The names of what `run` returns.
  std::vector<std::string> metric_names() const;

 private:
  struct ZeroShotData {
    std::string name;
    std::shared_ptr<const LabeledSource> source;
    ZeroShotPrompts prompts;
  };

  EvalConfig config_;
  EncodeOptions options_;
  FeatureEncoder encoder_;
  const ContrastiveObjective& objective_;
  std::shared_ptr<const Source> pairs_;
  std::vector<ZeroShotData> zero_shot_;
};

}  // namespace cloob
