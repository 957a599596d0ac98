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

#include "image/resample_axis.h"

#if defined(__x86_64__) && defined(__GNUC__)
#define CLOOB_HAS_AVX2_KERNELS 1
#else
#define CLOOB_HAS_AVX2_KERNELS 0
#endif

#if CLOOB_HAS_AVX2_KERNELS
namespace cloob {

/// Bytes behind the last pixel of a row that are read, but do not count.
inline constexpr std::size_t kRowSlack = 16;

/// The weights of an axis as `resample_row_avx2` takes them.
void pack_weights(const AxisWeights& axis, std::vector<std::int32_t>& packed);

/// `row` is followed by kRowSlack readable bytes, `out` by kOutputSlack writable ones.
void resample_row_avx2(const std::uint8_t* row, int channels, const AxisWeights& axis,
                       const std::int32_t* packed, std::uint8_t* out);

/// Needs at least 16 bytes of output.
void resample_column_avx2(const std::uint8_t* rows, std::size_t stride, std::span<const std::int32_t> weights,
                          std::vector<std::int32_t>& packed, std::span<std::uint8_t> out);

}  // namespace cloob
#endif
