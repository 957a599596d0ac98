// Normalisation with AVX2: arithmetic on eight pixels at a time, where plain code looks up each level.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace cloob {

/// Pixels of one step, and the fewest that the call takes.
inline constexpr std::size_t kNormalizedAtOnce = 8;

/// As Normalizer does it. Divides by multiplying with the reciprocal and one correction, which gives the
/// correctly rounded quotient for all divisors but those whose significand is all ones (Markstein 1990).
void normalize_row_avx2(std::span<const std::uint8_t> rgb, const std::array<float, 3>& mean,
                        const std::array<float, 3>& deviation, float* out, std::size_t plane);

}  // namespace cloob
