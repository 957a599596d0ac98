#include "eval/suite/growing_parts.h"

#include <ATen/ops/cat.h>

#include <utility>

namespace cloob {

void GrowingParts::add(std::int64_t part, const ImageFeatures& batch, const FeatureStages& stages,
                       const std::vector<std::int64_t>& labels,
                       const std::vector<std::int64_t>& class_of_label) {
  if (stages.empty()) return;
  if (parts_.empty() || parts_.back().number != part) parts_.push_back({.number = part});
  Part& last = parts_.back();
  for (const std::int64_t label : labels)
    last.classes.push_back(class_of_label.at(static_cast<std::size_t>(label)));
  for (const FeatureStage stage : stages) last.batches[stage].push_back(batch.features.at(stage));
}

std::vector<LabeledPart> GrowingParts::take(FeatureStage stage) {
  std::vector<LabeledPart> parts;
  for (Part& part : parts_)
    parts.push_back({at::cat(std::exchange(part.batches.at(stage), {})), part.classes});
  return parts;
}

}  // namespace cloob
