#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cloob/base/collectives.h"
#include "cloob/eval/feature_encoder.h"
#include "cloob/eval/suite/suite_result.h"
#include "cloob/eval/suite/suite_set.h"

namespace cloob {

class GrowingParts;

/// Where a suite writes, and what it was told for all data sets.
struct SuiteOutput {
  std::filesystem::path folder;
  SuiteSettings eval;
};

/// Of one model and data set.
struct SuiteOutcome {
  std::vector<SuiteResult> results;   ///< in the order of the tasks
  std::vector<std::string> failures;  ///< of tasks that could not be measured: "few_shot: the class ..."
};

/// Evaluates one model on data sets. Images are read and encoded once for all tasks of a data set, and the prompts of classes
/// once for all data sets that have the same.
class SuiteRunner {
 public:
  /// `encoder` and `collectives` must outlive this.
  SuiteRunner(SuiteModel model, const FeatureEncoder& encoder, EncodeOptions options, SuiteOutput output,
              const Collectives& collectives);

  /// Measures those tasks of the set that have no result with the same settings in the folder yet, and writes theirs on rank
  /// 0. A task that cannot be measured leaves the results of the others. Throws UserError, the same on all ranks. A collective
  /// operation.
  SuiteOutcome run(const SuiteSet& set);

 private:
  struct Measured {
    std::map<SuiteTask, SuiteMeasures> measures = {};
    std::map<SuiteTask, std::string> mistakes = {};
  };

  std::optional<SuiteResult> finished(const SuiteSet& set, SuiteTask task) const;
  Measured measure(const SuiteSet& set, const std::vector<SuiteTask>& tasks);
  Measured measure_classes(const SuiteSet& set, const std::vector<SuiteTask>& tasks,
                           const EncodeOptions& options);
  void add_probes(Measured& measured, const SuiteSet& set, const std::vector<SuiteTask>& tasks,
                  const EncodeOptions& options, GrowingParts& train, GrowingParts& test);
  const at::Tensor& classifier_of(const ZeroShotPrompts& prompts);
  std::string settings_of(const SuiteSet& set, SuiteTask task) const;
  std::filesystem::path file_of(const SuiteSet& set, SuiteTask task) const;

  SuiteModel model_;
  const FeatureEncoder& encoder_;
  EncodeOptions options_;
  SuiteOutput output_;
  const Collectives& collectives_;
  std::map<std::string, at::Tensor> classifiers_;  // by all prompts
};

}  // namespace cloob
