#pragma once

#include <cstdint>

#include "cloob/model/model_config.h"

namespace cloob {

/// Floating-point operations of one forward pass of one sample, two for each multiply-add.
///
/// Convolutions, matrix products and attention are counted, as profilers do, and masked positions with them.
/// A training step costs three times as much: the backward pass computes gradients of inputs and of weights.
struct Flops {
  std::int64_t image = 0;
  std::int64_t text = 0;  ///< of a text that fills the context
};

/// The config must be valid.
Flops count_flops(const ModelConfig& config);

}  // namespace cloob
