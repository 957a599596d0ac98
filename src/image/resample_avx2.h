// Resampling with AVX2.
//
// Weights have 22 fractional bits, but the fast multiplication (vpmaddwd) takes 16-bit numbers. So each
// weight is split, w = 2^11 high + low, two sums are accumulated, and combined they give the exact integer
// sum. The instruction adds adjacent products: two taps at a time are packed side by side.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "image/avx2.h"
#include "image/resample_axis.h"

namespace cloob {

/// An axis in the layout of `resample_two_rows_avx2`: taps in groups of four, outputs padded to a multiple of
/// four.
struct PackedAxis {
  struct Output {
    std::size_t begin;   ///< byte of the first tap
    std::size_t groups;  ///< number of groups of four taps
  };
  std::vector<Output> outputs;
  std::vector<std::int32_t> weights;  ///< by output and group; every output has `max_groups` groups
  std::size_t max_groups = 0;
};

#if CLOOB_HAS_AVX2_KERNELS
/// Bytes after the last pixel of a row that are read but not used.
inline constexpr std::size_t kRowSlack = 16;

void pack_axis(const AxisWeights& axis, int channels, PackedAxis& packed);

/// The horizontal pass for two rows, which may be the same row. Each is followed by kRowSlack readable bytes,
/// each output by kOutputSlack writable bytes.
void resample_two_rows_avx2(const std::uint8_t* upper, const std::uint8_t* lower, int channels,
                            const PackedAxis& axis, std::uint8_t* upper_out, std::uint8_t* lower_out);

inline constexpr std::size_t kMinColumnBytes = 32;

/// The vertical pass; needs at least kMinColumnBytes of output.
void resample_column_avx2(const std::uint8_t* rows, std::size_t stride, std::span<const std::int32_t> weights,
                          std::vector<std::int32_t>& packed, std::span<std::uint8_t> out);
#endif

}  // namespace cloob
