// From what a model did with each sample to metrics and their intervals.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "cloob/base/collectives.h"
#include "cloob/eval/bootstrap.h"
#include "cloob/eval/pair_features.h"
#include "cloob/eval/probe/labeled_features.h"
#include "cloob/eval/suite/suite_result.h"
#include "cloob/eval/zero_shot_metrics.h"

namespace cloob {

/// The outcomes of all ranks, in rank order. A collective operation.
std::vector<ZeroShotOutcome> gather_outcomes(const std::vector<ZeroShotOutcome>& own,
                                             const Collectives& collectives);

/// acc1, acc5 and mean_per_class_recall, each after `prefix`. With fewer than 5 classes acc5 is NaN.
std::vector<SuiteMetric> accuracies(const std::string& prefix, std::span<const ZeroShotOutcome> outcomes,
                                    std::int64_t num_classes, const BootstrapOptions& options);

/// image_retrieval_recall@K and text_retrieval_recall@K for K of 1, 5 and 10; `own` are the parts of this rank. Images are
/// what is drawn, with all of their texts. A collective operation.
SuiteMeasures measure_retrieval(std::span<const PairFeatures> own, const Collectives& collectives,
                                const BootstrapOptions& options);

/// Features of images and their classes for tasks that learn: the parts of this rank.
struct ProbeData {
  std::vector<LabeledPart> train;
  std::vector<LabeledPart> test;
  std::vector<std::string> class_names;
};

/// Trains and tests a linear probe, k nearest neighbors or few-shot probes, with the settings `eval`. A collective operation.
SuiteMeasures measure_probe(SuiteTask task, const ProbeData& data, const SuiteSettings& eval,
                            const Collectives& collectives, const BootstrapOptions& options);

}  // namespace cloob
