// Conversions between pixel modes with Pillow's integer arithmetic.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cloob/image/image.h"

namespace cloob {

/// a * b / 255, rounded; a and b in 0..255.
constexpr std::uint8_t multiply_divide_255(unsigned a, unsigned b) {
  const unsigned product = a * b + 128;
  return static_cast<std::uint8_t>((product + (product >> 8)) >> 8);
}

/// Pillow's luma of an RGB pixel (ITU-R 601-2, 16 fractional bits).
constexpr std::uint8_t luma(const std::uint8_t* rgb) {
  return static_cast<std::uint8_t>((rgb[0] * 19595u + rgb[1] * 38470u + rgb[2] * 7471u + 0x8000u) >> 16);
}

/// Converts pixels of `mode` to RGB. `rgb` may alias `pixels`.
void convert_to_rgb(const std::uint8_t* pixels, std::size_t num_pixels, PixelMode mode, std::uint8_t* rgb);

/// Multiplies colours by alpha, so that resampling weights them by alpha.
ImageU8 premultiply_alpha(const ImageU8& rgba);

/// RGB of premultiplied RGBA pixels: divides colours by alpha and drops alpha. `rgb` may alias `pixels`.
void unpremultiply_to_rgb(const std::uint8_t* pixels, std::size_t num_pixels, std::uint8_t* rgb);

}  // namespace cloob
