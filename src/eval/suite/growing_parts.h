#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <vector>

#include "cloob/eval/feature_encoder.h"
#include "cloob/eval/probe/labeled_features.h"
#include "cloob/model/feature_stage.h"

namespace cloob {

/// Features of labeled images at several stages, part by part, as their batches come.
class GrowingParts {
 public:
  /// `labels` are those of the batch, which `class_of_label` renumbers. Nothing is kept without stages.
  void add(std::int64_t part, const ImageFeatures& batch, const FeatureStages& stages,
           const std::vector<std::int64_t>& labels, const std::vector<std::int64_t>& class_of_label);
  /// The parts at one stage, once for each.
  std::vector<LabeledPart> take(FeatureStage stage);

 private:
  struct Part {
    std::int64_t number = 0;
    std::vector<std::int64_t> classes = {};
    std::map<FeatureStage, std::vector<at::Tensor>> batches = {};
  };
  std::vector<Part> parts_;
};

}  // namespace cloob
