// Converts 8-bit pixels to the floats that an image tower takes as input.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace cloob {

/// (level / 255 - mean) / deviation for each channel, in single precision and in this order, which is bit for
/// bit what torchvision computes. Thread-safe.
class Normalizer {
 public:
  Normalizer(std::span<const double, 3> mean, std::span<const double, 3> deviation);

  /// Splits a row of RGB into planes: red goes to `out`, green and blue to `out` + `plane` and `out` + 2
  /// `plane`.
  void operator()(std::span<const std::uint8_t> rgb, float* out, std::size_t plane) const;

 private:
  std::array<float, 3> mean_, deviation_;
  std::array<std::array<float, 256>, 3> by_level_;
  bool use_avx2_ = false;
};

}  // namespace cloob
