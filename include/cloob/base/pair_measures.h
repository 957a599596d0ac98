#pragma once

#include <ATen/core/Tensor.h>

namespace cloob {

/// What a loss makes of paired features, all scalars without gradients: its value, and how far it is saturated.
/// docs/saturation.md has the formulas.
struct PairMeasures {
  at::Tensor loss;
  /// Undefined if they are not known.
  at::Tensor positive_mass = {};  ///< mean probability of the partner in the softmax over all
  at::Tensor gradient_weight =
      {};  ///< mean factor on the pull of a pair: 1 at most, 0 if nothing pulls any more
  at::Tensor retrieval_entropy = {};  ///< of the weights of the Hopfield retrieval, in nats
};

}  // namespace cloob
