// Resampling with AVX2.
//
// Weights have 22 fractional bits, the fast multiplication (vpmaddwd) takes 16. So each weight is split, w =
// 2^11 high + low, both sums are kept, and put together they are the exact integer sum. The multiplication
// adds neighbours: two taps at a time stand side by side.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "image/avx2.h"
#include "image/resample_axis.h"

namespace cloob {

/// An axis as `resample_two_rows_avx2` takes it: taps in groups of four, outputs filled up to a multiple of
/// four.
struct PackedAxis {
  struct Output {
    std::size_t begin;   ///< byte of the first tap
    std::size_t groups;  ///< of four taps
  };
  std::vector<Output> outputs;
  std::vector<std::int32_t> weights;  ///< by output and group; each output has room for `most_groups`
  std::size_t most_groups = 0;
};

#if CLOOB_HAS_AVX2_KERNELS
/// Bytes behind the last pixel of a row that are read, but do not count.
inline constexpr std::size_t kRowSlack = 16;

void pack_axis(const AxisWeights& axis, int channels, PackedAxis& packed);

/// The horizontal pass for two rows, which may be one and the same. Each is followed by kRowSlack readable
/// bytes, each output by kOutputSlack writable ones.
void resample_two_rows_avx2(const std::uint8_t* upper, const std::uint8_t* lower, int channels,
                            const PackedAxis& axis, std::uint8_t* upper_out, std::uint8_t* lower_out);

inline constexpr std::size_t kFewestColumnBytes = 32;

/// The vertical pass; needs kFewestColumnBytes of output at least.
void resample_column_avx2(const std::uint8_t* rows, std::size_t stride, std::span<const std::int32_t> weights,
                          std::vector<std::int32_t>& packed, std::span<std::uint8_t> out);
#endif

}  // namespace cloob
