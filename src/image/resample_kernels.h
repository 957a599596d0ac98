// The inner loops of resampling. On x86-64 they are compiled for AVX2 as well and chosen when the program
// starts.
#pragma once

#include <cstdint>

#include "image/resample_axis.h"

namespace cloob {

/// Bytes that must be readable after a row's last pixel and writable after the last output pixel.
inline constexpr std::size_t kRowPadding = 4;

/// Horizontal pass over one row of `channels` (3 or 4) interleaved bytes: out[x] = sum of weight x row[first
/// + tap].
void resample_row(const std::uint8_t* row, int channels, const AxisWeights& axis, std::uint8_t* out);

/// Vertical pass for one output row: the weighted sum of `count` rows of `num_bytes`, each `stride` bytes
/// after the one before. `sums` is scratch of `num_bytes`.
void resample_column(const std::uint8_t* rows, std::size_t stride, const std::int32_t* weights, int count,
                     std::size_t num_bytes, std::int32_t* sums, std::uint8_t* out);

}  // namespace cloob
