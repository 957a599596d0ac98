#pragma once

#include <cstdint>

#include "cloob/model/model_config.h"

namespace cloob {

/// Floating-point operations of the forward pass of one sample; a multiply-add counts as two.
///
/// Counts convolutions, matrix products and attention, masked positions included, as profilers do. A training
/// step costs three times as much: the backward pass computes the gradients of inputs and of weights.
struct Flops {
  std::int64_t image = 0;
  std::int64_t text = 0;  ///< for a text of context_length tokens
};

/// `config` must be valid.
Flops count_flops(const ModelConfig& config);

}  // namespace cloob
