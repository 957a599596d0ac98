#pragma once

#include <memory>

#include "cloob/model/feature_model.h"
#include "cloob/model/pair_memory.h"
#include "cloob/task/reco_config.h"

namespace cloob {

/// The features of a model, refined with those of a memory by a fusion that is not learned. `model` must outlive the result.
std::unique_ptr<FeatureModel> make_refined_features(FeatureModel& model, const RecoConfig& config,
                                                    std::shared_ptr<const PairMemory> memory);

}  // namespace cloob
