// What a batch of texts does not need.
#pragma once

#include <ATen/core/Tensor.h>

namespace cloob {

/// The columns up to the last end token of the batch: (B, L) -> (B, l), a view. The text encoder is causal
/// and pools at the end token, so later columns would be wasted computation.
at::Tensor without_padding(const at::Tensor& tokens_BL, const at::Tensor& end_positions_B);

}  // namespace cloob
