// Which stored patterns a modern Hopfield network retrieves, and with which weights.
//
// Shapes: B state patterns, M stored patterns, K of them, D features.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace cloob {

/// The stored patterns with the largest weights in the last update of `hopfield_retrieve`.
struct NearestStored {
  at::Tensor
      rows_BK;  ///< int64 rows of the stored patterns, the largest weight first, the lower row of equal ones
  at::Tensor weights_BK;  ///< of the softmax over all M stored patterns
  at::Tensor entropy_B;   ///< of that softmax, in nats
};

/// For few states: holds B x M weights. K is `count`, or M if that is less.
NearestStored nearest_stored(const at::Tensor& state_BD, const at::Tensor& stored_MD, double beta,
                             std::int64_t update_steps, std::int64_t count);

}  // namespace cloob
