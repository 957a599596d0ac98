// Normalisation with AVX2: arithmetic on eight pixels at a time instead of a table lookup for each level.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace cloob {

/// Pixels per step, and the minimum width of a row.
inline constexpr std::size_t kNormalizedAtOnce = 8;

/// Same result as Normalizer. Divides by multiplication with the reciprocal and one correction step, which
/// gives the correctly rounded quotient for all divisors except those whose significand is all ones
/// (Markstein 1990).
void normalize_row_avx2(std::span<const std::uint8_t> rgb, const std::array<float, 3>& mean,
                        const std::array<float, 3>& deviation, float* out, std::size_t plane);

}  // namespace cloob
