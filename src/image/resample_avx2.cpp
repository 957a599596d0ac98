#include "image/resample_avx2.h"

#if CLOOB_HAS_AVX2_KERNELS
#include <immintrin.h>

#include <algorithm>
#include <cstring>

namespace cloob {
namespace {

constexpr int kLowBits = 11;
constexpr std::int32_t kHalf = 1 << (kWeightBits - 1);
constexpr std::size_t kColumns = 16;  // of one step of the vertical pass

std::int32_t side_by_side(std::int32_t first, std::int32_t second) {
  return static_cast<std::int32_t>((static_cast<std::uint32_t>(second) << 16) |
                                   (static_cast<std::uint32_t>(first) & 0xffffu));
}
std::int32_t high(std::int32_t weight) { return weight >> kLowBits; }
std::int32_t low(std::int32_t weight) { return weight & ((1 << kLowBits) - 1); }

std::size_t groups_of_four(std::size_t taps) { return (taps + 3) / 4; }

[[gnu::target("avx2")]] __m128i rounded(__m128i high_sums, __m128i low_sums) {
  const __m128i sums = _mm_add_epi32(_mm_slli_epi32(high_sums, kLowBits), low_sums);
  return _mm_srai_epi32(_mm_add_epi32(sums, _mm_set1_epi32(kHalf)), kWeightBits);
}

[[gnu::target("avx2")]] __m256i rounded(__m256i high_sums, __m256i low_sums) {
  const __m256i sums = _mm256_add_epi32(_mm256_slli_epi32(high_sums, kLowBits), low_sums);
  return _mm256_srai_epi32(_mm256_add_epi32(sums, _mm256_set1_epi32(kHalf)), kWeightBits);
}

[[gnu::target("avx2")]] __m128i folded(__m256i sums) {
  return _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
}

// Brings channels of pixels 0 and 1 side by side as 16-bit numbers in the lower half, of 2 and 3 in the
// upper.
[[gnu::target("avx2")]] __m256i pairing(int channels) {
  constexpr char z = -1;  // becomes zero
  if (channels == 3) {
    return _mm256_setr_epi8(0, z, 3, z, 1, z, 4, z, 2, z, 5, z, z, z, z, z,  //
                            6, z, 9, z, 7, z, 10, z, 8, z, 11, z, z, z, z, z);
  }
  return _mm256_setr_epi8(0, z, 4, z, 1, z, 5, z, 2, z, 6, z, 3, z, 7, z,  //
                          8, z, 12, z, 9, z, 13, z, 10, z, 14, z, 11, z, 15, z);
}

}  // namespace

// By output and group of four taps: high parts of taps 0, 1 and of 2, 3, then the low parts likewise.
void pack_weights(const AxisWeights& axis, std::vector<std::int32_t>& packed) {
  const std::size_t groups = groups_of_four(axis.num_taps), outputs = axis.first.size();
  packed.resize(outputs * groups * 4);
  std::int32_t* out = packed.data();
  for (std::size_t output = 0; output < outputs; ++output) {
    const std::span<const std::int32_t> weights = axis.weights_of(output);
    const auto weight = [&](std::size_t tap) { return tap < weights.size() ? weights[tap] : 0; };
    for (std::size_t tap = 0; tap < 4 * groups; tap += 4, out += 4) {
      out[0] = side_by_side(high(weight(tap)), high(weight(tap + 1)));
      out[1] = side_by_side(high(weight(tap + 2)), high(weight(tap + 3)));
      out[2] = side_by_side(low(weight(tap)), low(weight(tap + 1)));
      out[3] = side_by_side(low(weight(tap + 2)), low(weight(tap + 3)));
    }
  }
}

[[gnu::target("avx2")]] void resample_row_avx2(const std::uint8_t* row, int channels, const AxisWeights& axis,
                                               const std::int32_t* packed, std::uint8_t* out) {
  const __m256i pairs = pairing(channels);
  const __m256i high_lanes = _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1);
  const __m256i low_lanes = _mm256_setr_epi32(2, 2, 2, 2, 3, 3, 3, 3);
  const std::size_t room = 4 * groups_of_four(axis.num_taps);
  for (std::size_t output = 0; output < axis.first.size(); ++output, packed += room) {
    const std::uint8_t* pixel = row + axis.first[output] * channels;
    const std::int32_t* group_weights = packed;
    const std::size_t groups = groups_of_four(static_cast<std::size_t>(axis.count[output]));
    __m256i high_sums = _mm256_setzero_si256(), low_sums = high_sums;
    for (std::size_t group = 0; group < groups; ++group, pixel += 4 * channels, group_weights += 4) {
      const auto four = _mm_loadu_si128(reinterpret_cast<const __m128i*>(pixel));
      const __m256i taps = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(four), pairs);
      const auto words = _mm_loadu_si128(reinterpret_cast<const __m128i*>(group_weights));
      const __m256i weights = _mm256_broadcastsi128_si256(words);
      high_sums = _mm256_add_epi32(high_sums,
                                   _mm256_madd_epi16(taps, _mm256_permutevar8x32_epi32(weights, high_lanes)));
      low_sums = _mm256_add_epi32(low_sums,
                                  _mm256_madd_epi16(taps, _mm256_permutevar8x32_epi32(weights, low_lanes)));
    }
    const __m128i words = rounded(folded(high_sums), folded(low_sums));
    const __m128i bytes = _mm_packus_epi16(_mm_packs_epi32(words, words), words);
    const std::int32_t four_bytes = _mm_cvtsi128_si32(bytes);
    std::memcpy(out, &four_bytes, sizeof(four_bytes));
    out += channels;
  }
}

[[gnu::target("avx2")]] void resample_column_avx2(const std::uint8_t* rows, std::size_t stride,
                                                  std::span<const std::int32_t> weights,
                                                  std::vector<std::int32_t>& packed,
                                                  std::span<std::uint8_t> out) {
  const std::size_t num_pairs = (weights.size() + 1) / 2;
  packed.resize(2 * num_pairs);
  for (std::size_t pair = 0; pair < num_pairs; ++pair) {
    const std::int32_t first = weights[2 * pair];
    const std::int32_t second = 2 * pair + 1 < weights.size() ? weights[2 * pair + 1] : 0;
    packed[2 * pair] = side_by_side(high(first), high(second));
    packed[2 * pair + 1] = side_by_side(low(first), low(second));
  }
  for (std::size_t begin = 0; begin < out.size(); begin += kColumns) {
    const std::size_t column = std::min(begin, out.size() - kColumns);  // the last step may do some again
    __m256i high_left = _mm256_setzero_si256(), low_left = high_left;
    __m256i high_right = high_left, low_right = high_left;
    const std::uint8_t* upper = rows + column;
    for (std::size_t pair = 0; pair < num_pairs; ++pair, upper += 2 * stride) {
      // There may be no row behind the last one; its weight is zero then.
      const std::uint8_t* lower = 2 * pair + 1 < weights.size() ? upper + stride : upper;
      const auto a = _mm_loadu_si128(reinterpret_cast<const __m128i*>(upper));
      const auto b = _mm_loadu_si128(reinterpret_cast<const __m128i*>(lower));
      const __m256i left = _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(a, b));
      const __m256i right = _mm256_cvtepu8_epi16(_mm_unpackhi_epi8(a, b));
      const __m256i high_weights = _mm256_set1_epi32(packed[2 * pair]);
      const __m256i low_weights = _mm256_set1_epi32(packed[2 * pair + 1]);
      high_left = _mm256_add_epi32(high_left, _mm256_madd_epi16(left, high_weights));
      low_left = _mm256_add_epi32(low_left, _mm256_madd_epi16(left, low_weights));
      high_right = _mm256_add_epi32(high_right, _mm256_madd_epi16(right, high_weights));
      low_right = _mm256_add_epi32(low_right, _mm256_madd_epi16(right, low_weights));
    }
    // Packing goes by halves of the registers; the permutation puts the quarters in order.
    const __m256i words = _mm256_permute4x64_epi64(
        _mm256_packs_epi32(rounded(high_left, low_left), rounded(high_right, low_right)), 0b11'01'10'00);
    const __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out.data() + column), bytes);
  }
}

}  // namespace cloob
#endif
