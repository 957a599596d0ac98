#include "image/resample_avx2.h"

#if CLOOB_HAS_AVX2_KERNELS
#include <immintrin.h>

#include <algorithm>
#include <array>

namespace cloob {
namespace {

constexpr int kLowBits = 11;
constexpr std::size_t kOutputs = 4;                // per step of the horizontal pass
constexpr std::size_t kColumns = kMinColumnBytes;  // per step of the vertical pass

std::int32_t pack_pair(std::int32_t first, std::int32_t second) {
  return static_cast<std::int32_t>((static_cast<std::uint32_t>(second) << 16) |
                                   (static_cast<std::uint32_t>(first) & 0xffffu));
}
std::int32_t high(std::int32_t weight) { return weight >> kLowBits; }
std::int32_t low(std::int32_t weight) { return weight & ((1 << kLowBits) - 1); }

std::size_t num_groups(std::size_t taps) { return (taps + 3) / 4; }

// The high parts of taps 0, 1 and of 2, 3, then the low parts likewise.
void pack_group(std::span<const std::int32_t> weights, std::size_t first_tap, std::int32_t* out) {
  const auto weight = [&](std::size_t tap) {
    return first_tap + tap < weights.size() ? weights[first_tap + tap] : 0;
  };
  out[0] = pack_pair(high(weight(0)), high(weight(1)));
  out[1] = pack_pair(high(weight(2)), high(weight(3)));
  out[2] = pack_pair(low(weight(0)), low(weight(1)));
  out[3] = pack_pair(low(weight(2)), low(weight(3)));
}

[[gnu::target("avx2")]] inline __m128i load(const std::uint8_t* bytes) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
}

[[gnu::target("avx2")]] inline void store(__m128i value, std::uint8_t* bytes) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(bytes), value);
}

// Exact weighted sums of 8-bit values, separately for the high and low parts of the weights.
struct Sums {
  __m256i high, low;

  [[gnu::target("avx2"), gnu::always_inline]] inline Sums()
      : high(_mm256_setzero_si256()), low(_mm256_set1_epi32(1 << (kWeightBits - 1))) {}
  [[gnu::target("avx2"), gnu::always_inline]] inline void add(__m256i taps, __m256i high_weights,
                                                              __m256i low_weights) {
    high = _mm256_add_epi32(high, _mm256_madd_epi16(taps, high_weights));
    low = _mm256_add_epi32(low, _mm256_madd_epi16(taps, low_weights));
  }
  [[gnu::target("avx2"), gnu::always_inline]] inline __m256i rounded() const {
    return _mm256_srai_epi32(_mm256_add_epi32(_mm256_slli_epi32(high, kLowBits), low), kWeightBits);
  }
};

// Shuffle mask that pairs the channels of pixels `first` and `first` + 1, of four pixels, as 16-bit numbers.
[[gnu::target("avx2")]] __m256i pair_mask(int channels, int first) {
  alignas(16) std::array<char, 16> bytes;
  bytes.fill(-1);  // becomes zero
  for (int channel = 0; channel < channels; ++channel) {
    bytes[static_cast<std::size_t>(4 * channel)] = static_cast<char>(first * channels + channel);
    bytes[static_cast<std::size_t>(4 * channel + 2)] = static_cast<char>((first + 1) * channels + channel);
  }
  return _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(bytes.data())));
}

// Two rows at once, one in each half of the registers.
struct TwoRows {
  const std::uint8_t* upper;
  const std::uint8_t* lower;
  std::size_t group_bytes;
  __m256i taps_01, taps_23;

  // The channels of one output pixel, as 32-bit numbers.
  [[gnu::target("avx2"), gnu::always_inline]] inline __m256i weighted(PackedAxis::Output output,
                                                                      const std::int32_t* weights) const {
    Sums sums;
    std::size_t byte = output.begin;
    for (std::size_t group = 0; group < output.groups; ++group, byte += group_bytes, weights += 4) {
      const __m256i pixels =
          _mm256_inserti128_si256(_mm256_castsi128_si256(load(upper + byte)), load(lower + byte), 1);
      sums.add(_mm256_shuffle_epi8(pixels, taps_01), _mm256_set1_epi32(weights[0]),
               _mm256_set1_epi32(weights[2]));
      sums.add(_mm256_shuffle_epi8(pixels, taps_23), _mm256_set1_epi32(weights[1]),
               _mm256_set1_epi32(weights[3]));
    }
    return sums.rounded();
  }
};

}  // namespace

void pack_axis(const AxisWeights& axis, int channels, PackedAxis& packed) {
  const std::size_t outputs = axis.first.size();
  packed.max_groups = num_groups(axis.num_taps);
  packed.outputs.assign((outputs + kOutputs - 1) / kOutputs * kOutputs, {0, 0});
  packed.weights.resize(packed.outputs.size() * packed.max_groups * 4);
  for (std::size_t output = 0; output < outputs; ++output) {
    const std::span<const std::int32_t> weights = axis.weights_of(output);
    packed.outputs[output] = {static_cast<std::size_t>(axis.first[output] * channels),
                              num_groups(weights.size())};
    std::int32_t* out = packed.weights.data() + output * packed.max_groups * 4;
    for (std::size_t tap = 0; tap < weights.size(); tap += 4, out += 4) pack_group(weights, tap, out);
  }
}

[[gnu::target("avx2")]] void resample_two_rows_avx2(const std::uint8_t* upper, const std::uint8_t* lower,
                                                    int channels, const PackedAxis& axis,
                                                    std::uint8_t* upper_out, std::uint8_t* lower_out) {
  const TwoRows rows{upper, lower, static_cast<std::size_t>(4 * channels), pair_mask(channels, 0),
                     pair_mask(channels, 2)};
  constexpr char z = -1;
  const __m256i without_fourth_channel =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, z, z, z, z));
  const std::size_t weights_per_output = 4 * axis.max_groups;
  const std::int32_t* weights = axis.weights.data();
  for (std::size_t output = 0; output < axis.outputs.size();
       output += kOutputs, weights += kOutputs * weights_per_output) {
    const PackedAxis::Output* four = axis.outputs.data() + output;
    const __m256i first_two = _mm256_packs_epi32(rows.weighted(four[0], weights),
                                                 rows.weighted(four[1], weights + weights_per_output));
    const __m256i last_two = _mm256_packs_epi32(rows.weighted(four[2], weights + 2 * weights_per_output),
                                                rows.weighted(four[3], weights + 3 * weights_per_output));
    __m256i bytes = _mm256_packus_epi16(first_two, last_two);
    if (channels == 3) bytes = _mm256_shuffle_epi8(bytes, without_fourth_channel);
    store(_mm256_castsi256_si128(bytes), upper_out);
    store(_mm256_extracti128_si256(bytes, 1), lower_out);
    upper_out += kOutputs * static_cast<std::size_t>(channels);
    lower_out += kOutputs * static_cast<std::size_t>(channels);
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
    packed[2 * pair] = pack_pair(high(first), high(second));
    packed[2 * pair + 1] = pack_pair(low(first), low(second));
  }
  const __m256i zero = _mm256_setzero_si256();
  for (std::size_t begin = 0; begin < out.size(); begin += kColumns) {
    const std::size_t column = std::min(begin, out.size() - kColumns);  // the last step may overlap
    Sums sums[4];
    const std::uint8_t* upper = rows + column;
    for (std::size_t pair = 0; pair < num_pairs; ++pair, upper += 2 * stride) {
      // With an odd number of rows the last pair has no lower row; its weight is then zero.
      const std::uint8_t* lower = 2 * pair + 1 < weights.size() ? upper + stride : upper;
      const auto a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(upper));
      const auto b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(lower));
      const __m256i left = _mm256_unpacklo_epi8(a, b), right = _mm256_unpackhi_epi8(a, b);
      const __m256i taps[4] = {_mm256_unpacklo_epi8(left, zero), _mm256_unpackhi_epi8(left, zero),
                               _mm256_unpacklo_epi8(right, zero), _mm256_unpackhi_epi8(right, zero)};
      const __m256i high_weights = _mm256_set1_epi32(packed[2 * pair]);
      const __m256i low_weights = _mm256_set1_epi32(packed[2 * pair + 1]);
      for (int i = 0; i < 4; ++i) sums[i].add(taps[i], high_weights, low_weights);
    }
    // Packing undoes the interleaving.
    const __m256i words_left = _mm256_packs_epi32(sums[0].rounded(), sums[1].rounded());
    const __m256i words_right = _mm256_packs_epi32(sums[2].rounded(), sums[3].rounded());
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out.data() + column),
                        _mm256_packus_epi16(words_left, words_right));
  }
}

}  // namespace cloob
#endif
