#include "image/normalize_avx2.h"

#include "image/avx2.h"

#if CLOOB_HAS_AVX2_KERNELS
#include <immintrin.h>

#include <algorithm>

namespace cloob {
namespace {

struct Divisor {
  __m256 value, reciprocal;
};

[[gnu::target("avx2,fma")]] inline Divisor divisor(float value) {
  return {_mm256_set1_ps(value), _mm256_set1_ps(1.0f / value)};
}

[[gnu::target("avx2,fma")]] inline __m256 divide(__m256 dividend, const Divisor& by) {
  const __m256 quotient = _mm256_mul_ps(dividend, by.reciprocal);
  const __m256 remainder = _mm256_fnmadd_ps(quotient, by.value, dividend);
  return _mm256_fmadd_ps(remainder, by.reciprocal, quotient);
}

// Shuffle mask that extracts channel `channel` of eight pixels as 32-bit numbers. The lower half of the
// register begins with byte 0 of their 24 bytes, the upper half with byte 8: pixel 4 begins at its byte 4.
[[gnu::target("avx2,fma")]] inline __m256i channel_mask(int channel) {
  const auto zero_extended = [](int byte) { return byte | ~0xff; };  // the upper three bytes become zero
  const int upper = channel + 4;
  return _mm256_setr_epi32(zero_extended(channel), zero_extended(channel + 3), zero_extended(channel + 6),
                           zero_extended(channel + 9), zero_extended(upper), zero_extended(upper + 3),
                           zero_extended(upper + 6), zero_extended(upper + 9));
}

}  // namespace

[[gnu::target("avx2,fma")]] void normalize_row_avx2(std::span<const std::uint8_t> rgb,
                                                    const std::array<float, 3>& mean,
                                                    const std::array<float, 3>& deviation, float* out,
                                                    std::size_t plane) {
  const std::size_t width = rgb.size() / 3;
  const Divisor max_level = divisor(255.0f);
  const __m256i masks[3] = {channel_mask(0), channel_mask(1), channel_mask(2)};
  const __m256 means[3] = {_mm256_set1_ps(mean[0]), _mm256_set1_ps(mean[1]), _mm256_set1_ps(mean[2])};
  const Divisor deviations[3] = {divisor(deviation[0]), divisor(deviation[1]), divisor(deviation[2])};
  for (std::size_t begin = 0; begin < width; begin += kNormalizedAtOnce) {
    const std::size_t x = std::min(begin, width - kNormalizedAtOnce);  // the last step may overlap
    const std::uint8_t* bytes = rgb.data() + 3 * x;
    const auto lower = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
    const auto upper = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + 8));
    const __m256i pixels = _mm256_inserti128_si256(_mm256_castsi128_si256(lower), upper, 1);
    for (std::size_t c = 0; c < 3; ++c) {
      const __m256 levels = _mm256_cvtepi32_ps(_mm256_shuffle_epi8(pixels, masks[c]));
      const __m256 centered = _mm256_sub_ps(divide(levels, max_level), means[c]);
      _mm256_storeu_ps(out + c * plane + x, divide(centered, deviations[c]));
    }
  }
}

}  // namespace cloob
#endif
