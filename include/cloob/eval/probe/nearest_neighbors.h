// Classification by the classes of the nearest training images.
//
// Shapes: B test rows of a part, D features, K classes.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "cloob/base/collectives.h"
#include "cloob/eval/probe/labeled_features.h"
#include "cloob/eval/zero_shot_metrics.h"

namespace cloob {

struct NeighborOptions {
  std::int64_t k = 20;
  double temperature = 0.07;
};

/// What the neighbors of a part's rows vote for.
struct NeighborVotes {
  at::Tensor
      weighted_BK;  ///< fp32, sum of exp(cosine / temperature) of the neighbors of a class, divided by that of all
  at::Tensor plain_BK;  ///< fp32, fraction of the neighbors
};

/// Receives a part of the test rows and the votes for it.
using TakeVotes = std::function<void(const LabeledPart& test, const NeighborVotes& votes)>;

/// Asks the `k` training rows of all ranks with the largest cosine; of equal ones the first. `train` and `test` are the parts of this
/// rank. The training rows are handed around in small groups, and no matrix of all products is ever held. Throws UserError if there
/// are fewer than `k` training rows. A collective operation.
void vote_of_neighbors(const std::vector<LabeledPart>& train, const std::vector<LabeledPart>& test,
                       std::int64_t num_classes, const NeighborOptions& options,
                       const Collectives& collectives, const TakeVotes& take);

/// How the two kinds of votes classify the test rows of this rank.
struct NeighborMeters {
  ZeroShotMeter weighted, plain;
};

/// The same, counted. A collective operation.
NeighborMeters measure_neighbors(const std::vector<LabeledPart>& train, const std::vector<LabeledPart>& test,
                                 std::int64_t num_classes, const NeighborOptions& options,
                                 const Collectives& collectives);

}  // namespace cloob
