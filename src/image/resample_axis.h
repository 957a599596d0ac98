// One axis of separable resampling: the source pixels that contribute to each output pixel, and their
// weights.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "cloob/image/resize.h"

namespace cloob {

/// Fractional bits of the weights: 32 minus 8 for the pixel and 2 for sign and overshoot.
inline constexpr int kWeightBits = 32 - 8 - 2;

/// The part of `size` source pixels that is resampled; its ends may lie inside pixels.
struct AxisPart {
  int size;
  double begin, length;
};

/// Source pixels and weights of each output pixel.
struct AxisWeights {
  std::size_t num_taps = 0;          ///< size of the widest window
  std::vector<int> first;            ///< by output: first source pixel
  std::vector<int> count;            ///< by output: source pixels used
  std::vector<std::int32_t> weight;  ///< by output and tap

  int first_source() const { return std::min(first.front(), first.back()); }
  int end_source() const { return std::max(first.front() + count.front(), first.back() + count.back()); }
  std::span<const std::int32_t> weights_of(std::size_t output) const {
    return {weight.data() + output * num_taps, static_cast<std::size_t>(count[output])};
  }
};

/// Weights of the outputs [begin, begin + num_outputs) of an axis on which `source` is resized to `out_size`
/// pixels.
AxisWeights axis_weights(const AxisPart& source, int out_size, int begin, int num_outputs,
                         ResampleFilter filter);

/// The same for all of `in_size` source pixels.
AxisWeights axis_weights(int in_size, int out_size, int begin, int num_outputs, ResampleFilter filter);

/// The same with the outputs in reverse order: the pass then mirrors the image.
AxisWeights reversed(AxisWeights axis);

/// The nearest source pixel of each of these outputs.
std::vector<int> nearest_sources(int in_size, int out_size, int begin, int num_outputs);

}  // namespace cloob
