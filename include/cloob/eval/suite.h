// The list of evaluations of a model, for training, commands and sweeps.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cloob/base/collectives.h"
#include "cloob/data/labeled_source.h"
#include "cloob/data/source.h"
#include "cloob/eval/eval_config.h"
#include "cloob/eval/evaluate.h"
#include "cloob/eval/feature_encoder.h"
#include "cloob/report/named_numbers.h"

namespace cloob {

/// An evaluation on one data set, which is opened once.
class Evaluation {
 public:
  virtual ~Evaluation() = default;
  /// The names of the numbers that `run` returns.
  virtual std::vector<std::string> metric_names() const = 0;
  /// Runs the evaluation on all ranks, each of which returns the same numbers. `options.max_samples` limits the number of
  /// images.
  virtual NamedNumbers run(const FeatureEncoder& encoder, const EncodeOptions& options,
                           const Collectives& collectives) const = 0;
};

struct PairEvaluationOptions {
  EvalCaptions captions = EvalCaptions::all;
  bool measures_retrieval = true;
  bool measures_features = false;
  std::optional<std::int64_t> loss_batch_size = std::nullopt;  ///< unset: no loss
};

/// Loss, retrieval metrics and measures of the features of images and their captions, which are encoded once for all.
std::unique_ptr<Evaluation> make_pair_evaluation(std::shared_ptr<const Source> source,
                                                 const PairEvaluationOptions& options);
/// Zero-shot classification.
std::unique_ptr<Evaluation> make_zero_shot_evaluation(std::shared_ptr<const LabeledSource> source,
                                                      ZeroShotPrompts prompts);

/// An evaluation in a suite.
struct SuiteEntry {
  std::string name;    ///< "pairs", or the name of the folder
  std::string prefix;  ///< of its metrics in metrics.jsonl: "val/", "val/cifar10_"
  std::shared_ptr<const Evaluation> evaluation;
  EvaluationSchedule schedule;
};

/// The results of one evaluation.
struct EvaluationResult {
  std::string name;
  NamedNumbers numbers;  ///< under the names of the evaluation
  NamedNumbers metrics;  ///< with the entry's prefix and "seconds", without sample counts
  double seconds = 0;
};

class EvaluationSuite {
 public:
  EvaluationSuite() = default;
  explicit EvaluationSuite(std::vector<SuiteEntry> entries);

  const std::vector<SuiteEntry>& entries() const { return entries_; }
  /// The names of the metrics that are measured during the run, as in EvaluationResult: of all entries whose schedule is not
  /// empty, without durations.
  std::vector<std::string> metric_names() const;
  /// Runs the evaluation of one entry, on all ranks.
  EvaluationResult run(const SuiteEntry& entry, const FeatureEncoder& encoder, const EncodeOptions& options,
                       const Collectives& collectives) const;

 private:
  std::vector<SuiteEntry> entries_;
};

/// The suite of a run: the pairs of `data.val`, the folders of `eval.zero_shot`, the probes of `eval.linear_probe` and the
/// clusters of `eval.clusters`, whose data is opened here so that a wrong path is reported before training starts. Throws
/// UserError.
EvaluationSuite make_suite(const EvalConfig& eval, const DataConfig& data);

}  // namespace cloob
