// The inner loops of resampling. On x86-64 they are compiled for AVX2 as well, and the loader chooses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "image/resample_axis.h"

namespace cloob {

/// Memory of the two passes, kept from one picture to the next.
struct KernelScratch {
  std::vector<std::int32_t> wide_row;
  std::vector<std::int32_t> sums;
};

/// Horizontal pass over one row of `channels` (3 or 4) interleaved bytes: out[x] = sum of weight x row[first
/// + tap].
void resample_row(std::span<const std::uint8_t> row, int channels, const AxisWeights& axis,
                  KernelScratch& scratch, std::uint8_t* out);

/// Vertical pass for one output row: the weighted sum of rows that lie `stride` bytes apart, one for each
/// weight.
void resample_column(const std::uint8_t* rows, std::size_t stride, std::span<const std::int32_t> weights,
                     KernelScratch& scratch, std::span<std::uint8_t> out);

}  // namespace cloob
