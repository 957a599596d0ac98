// Resampling of position embeddings for a different input size.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace cloob {

/// (1 + g^2, D) -> (1 + grid_size^2, D): row 0 (class token or mean) is kept, the g x g grid of the other
/// rows is resized bicubically with antialiasing. Any other tensor is returned unchanged.
at::Tensor resample_image_positions(const at::Tensor& positions_PD, std::int64_t grid_size);

/// (L, D) -> (context_length, D) by linear interpolation with half-pixel centers (align_corners=false).
at::Tensor resample_text_positions(const at::Tensor& positions_LD, std::int64_t context_length);

}  // namespace cloob
