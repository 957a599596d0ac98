#include "image/pixel_modes.h"

#include <algorithm>
#include <cstring>

namespace cloob {

void convert_to_rgb(const std::uint8_t* pixels, std::size_t num_pixels, PixelMode mode, std::uint8_t* rgb) {
  switch (mode) {
    case PixelMode::rgb:
    case PixelMode::indexed:
      if (rgb != pixels) std::memcpy(rgb, pixels, 3 * num_pixels);
      return;
    case PixelMode::rgba:
      for (std::size_t i = 0; i < num_pixels; ++i) {
        for (std::size_t c = 0; c < 3; ++c) rgb[3 * i + c] = pixels[4 * i + c];
      }
      return;
    case PixelMode::cmyk:
      for (std::size_t i = 0; i < num_pixels; ++i) {
        const unsigned light = 255u - pixels[4 * i + 3];
        for (std::size_t c = 0; c < 3; ++c) {
          rgb[3 * i + c] = static_cast<std::uint8_t>(light - multiply_divide_255(pixels[4 * i + c], light));
        }
      }
      return;
  }
}

ImageU8 premultiply_alpha(const ImageU8& rgba) {
  ImageU8 out = rgba;
  for (std::size_t i = 0; i < out.pixels.size(); i += 4) {
    std::uint8_t* pixel = out.pixels.data() + i;
    for (int c = 0; c < 3; ++c) pixel[c] = multiply_divide_255(pixel[c], pixel[3]);
  }
  return out;
}

void unpremultiply_to_rgb(const std::uint8_t* pixels, std::size_t num_pixels, std::uint8_t* rgb) {
  for (std::size_t i = 0; i < num_pixels; ++i) {
    const std::uint8_t* pixel = pixels + 4 * i;
    const unsigned alpha = pixel[3] == 0 ? 255u : pixel[3];
    for (std::size_t c = 0; c < 3; ++c)
      rgb[3 * i + c] = static_cast<std::uint8_t>(std::min(255u, 255u * pixel[c] / alpha));
  }
}

}  // namespace cloob
