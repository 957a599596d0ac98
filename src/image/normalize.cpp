#include "cloob/image/normalize.h"

#include <cstring>

#include "image/avx2.h"
#include "image/normalize_avx2.h"

namespace cloob {
namespace {

#if CLOOB_HAS_AVX2_KERNELS
using Levels = std::array<float, 256>;

// Whether the arithmetic gives exactly the floats of the lookup table, for every level.
bool avx2_is_exact(const std::array<float, 3>& mean, const std::array<float, 3>& deviation,
                   const std::array<Levels, 3>& by_level) {
  std::array<std::uint8_t, 3 * 256> greys;
  for (std::size_t i = 0; i < greys.size(); ++i) greys[i] = static_cast<std::uint8_t>(i / 3);
  std::array<Levels, 3> normalized;
  normalize_row_avx2(greys, mean, deviation, normalized[0].data(), normalized[0].size());
  return std::memcmp(normalized.data(), by_level.data(), sizeof(normalized)) == 0;
}
#endif

}  // namespace

Normalizer::Normalizer(std::span<const double, 3> mean, std::span<const double, 3> deviation) {
  for (std::size_t c = 0; c < 3; ++c) {
    mean_[c] = static_cast<float>(mean[c]);
    deviation_[c] = static_cast<float>(deviation[c]);
    for (std::size_t level = 0; level < 256; ++level) {
      by_level_[c][level] = (static_cast<float>(level) / 255.0f - mean_[c]) / deviation_[c];
    }
  }
#if CLOOB_HAS_AVX2_KERNELS
  use_avx2_ = has_avx2() && avx2_is_exact(mean_, deviation_, by_level_);
#endif
}

void Normalizer::operator()(std::span<const std::uint8_t> rgb, float* out, std::size_t plane) const {
#if CLOOB_HAS_AVX2_KERNELS
  if (use_avx2_ && rgb.size() >= 3 * kNormalizedAtOnce) {
    return normalize_row_avx2(rgb, mean_, deviation_, out, plane);
  }
#endif
  for (std::size_t c = 0; c < 3; ++c) {
    for (std::size_t x = 0; x < rgb.size() / 3; ++x) out[c * plane + x] = by_level_[c][rgb[3 * x + c]];
  }
}

}  // namespace cloob
