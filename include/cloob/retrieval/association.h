// Association of two sets of patterns, for each of several heads: what a Hopfield layer computes between its
// projections (Ramsauer et al., Hopfield Networks is All You Need, eq. 10). Computed in at least fp32, outside of
// autocast; the results have the dtype of `values`.
//
// Shapes: B sets, H heads, L state patterns, M stored patterns, D features of both, V features of values.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace cloob {

struct AssociationOptions {
  /// Inverse temperature: a scalar, or one for each head (H). Undefined: 1 / sqrt(D), that of attention.
  at::Tensor beta = {};
  /// Number of softmaxes. All but the last one replace the state by an average of stored patterns, the last one averages
  /// the values. What hopfield-layers calls update_steps_max is this number - 1.
  std::int64_t max_update_steps = 1;
  /// A head stops earlier, after a softmax that differs from the one before by at most this: the largest L2 norm over
  /// all B of the difference of the L x M weights.
  double update_eps = 1e-4;
  /// Bool, broadcastable to (B, H, L, M): which stored patterns a state may retrieve. Undefined: all. A state that may
  /// retrieve none gets zeros.
  at::Tensor mask = {};
  /// Probability with which weights of the last softmax are dropped.
  double dropout = 0;
};

/// softmax(beta state stored^T) values: (B, H, L, D), (B, H, M, D), (B, H, M, V) -> (B, H, L, V). With one update step
/// this is scaled dot-product attention, and the L x M weights are never stored if LibTorch has a kernel for it.
at::Tensor associate(const at::Tensor& state_BHLD, const at::Tensor& stored_BHMD,
                     const at::Tensor& values_BHMV, const AssociationOptions& options);

/// The weights by which `associate` averages the values, (B, H, L, M), without dropout.
at::Tensor association_weights(const at::Tensor& state_BHLD, const at::Tensor& stored_BHMD,
                               const AssociationOptions& options);

}  // namespace cloob
