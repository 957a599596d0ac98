// Images for the tests of this library.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "cloob/base/random.h"
#include "cloob/image/image.h"

namespace cloob::testing {

using Color = std::array<std::uint8_t, 3>;

inline void fill(ImageU8& image, const PixelBox& box, const Color& color) {
  for (int y = box.top; y < box.top + box.height; ++y) {
    for (int x = box.left; x < box.left + box.width; ++x) {
      for (int c = 0; c < 3; ++c) image.row(y)[3 * x + c] = color[static_cast<std::size_t>(c)];
    }
  }
}

/// Colorful blocks of 8 by 8 pixels; another seed gives another image.
inline ImageU8 blocks(int width, int height, std::uint64_t seed) {
  ImageU8 image = make_image({height, width}, PixelMode::rgb);
  RandomStream random(RandomUse::synthetic_data, {seed});
  const auto level = [&] { return static_cast<std::uint8_t>(40 + random.below(160)); };
  for (int y = 0; y < height; y += 8) {
    for (int x = 0; x < width; x += 8) {
      const PixelBox box = {x, y, std::min(8, width - x), std::min(8, height - y)};
      fill(image, box, {level(), level(), level()});
    }
  }
  return image;
}

}  // namespace cloob::testing
