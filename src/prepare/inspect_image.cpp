#include "prepare/inspect_image.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace cloob {
namespace {

// Because of compression, bars are not exactly white or black, and gray images are not entirely without
// color.
constexpr int kWhite = 240;
constexpr int kBlack = 15;
constexpr int kSameColor = 8;
constexpr double kGrayChroma = 3;
constexpr double kMinBar = 0.03;  // fraction of the side; edges of a pixel or two are common and harmless

struct Margins {
  int top = 0, bottom = 0, left = 0, right = 0;
};

template <class IsBar>
Margins margins_of(const ImageU8& image, const IsBar& is_bar) {
  const auto is_bar_row = [&](int y) {
    const std::uint8_t* const row = image.row(y);
    return std::all_of(row, row + image.row_bytes(), is_bar);
  };
  const auto is_bar_column = [&](int x) {
    for (int y = 0; y < image.height; ++y) {
      const std::uint8_t* const pixel = image.row(y) + 3 * x;
      if (!std::all_of(pixel, pixel + 3, is_bar)) return false;
    }
    return true;
  };
  Margins margins;
  while (margins.top < image.height && is_bar_row(margins.top)) ++margins.top;
  while (margins.bottom < image.height && is_bar_row(image.height - 1 - margins.bottom)) ++margins.bottom;
  while (margins.left < image.width && is_bar_column(margins.left)) ++margins.left;
  while (margins.right < image.width && is_bar_column(image.width - 1 - margins.right)) ++margins.right;
  return margins;
}

template <class IsBar>
Bars bars_of(const ImageU8& image, const IsBar& is_bar) {
  const Margins margins = margins_of(image, is_bar);
  const auto are_bars = [](int first, int second, int side) {
    return std::min(first, second) >= std::max(1.0, kMinBar * side);
  };
  const bool has_horizontal = are_bars(margins.top, margins.bottom, image.height);
  const bool has_vertical = are_bars(margins.left, margins.right, image.width);
  // Bars on all sides: an object on a plain background, as in product photos.
  if (has_horizontal == has_vertical) return {};
  if (has_vertical) return {.vertical = true, .first = margins.left, .second = margins.right};
  return {.vertical = false, .first = margins.top, .second = margins.bottom};
}

}  // namespace

double Bars::area_fraction(ImageSize size) const {
  return static_cast<double>(first + second) / (vertical ? size.width : size.height);
}

ImageStats analyze_image(const ImageU8& image) {
  std::array<int, 3> lowest = {255, 255, 255}, highest = {0, 0, 0};
  std::int64_t chroma = 0;
  for (std::size_t at = 0; at + 2 < image.pixels.size(); at += 3) {
    const std::array<int, 3> rgb = {image.pixels[at], image.pixels[at + 1], image.pixels[at + 2]};
    chroma += std::max({rgb[0], rgb[1], rgb[2]}) - std::min({rgb[0], rgb[1], rgb[2]});
    for (std::size_t c = 0; c < 3; ++c) {
      lowest[c] = std::min(lowest[c], rgb[c]);
      highest[c] = std::max(highest[c], rgb[c]);
    }
  }
  ImageStats stats;
  stats.one_color = highest[0] - lowest[0] <= kSameColor && highest[1] - lowest[1] <= kSameColor &&
                    highest[2] - lowest[2] <= kSameColor;
  if (stats.one_color) return stats;
  stats.gray = static_cast<double>(chroma) <= kGrayChroma * image.height * image.width;
  stats.white = bars_of(image, [](std::uint8_t level) { return level >= kWhite; });
  stats.black = bars_of(image, [](std::uint8_t level) { return level <= kBlack; });
  return stats;
}

int reduction_for_analysis(ImageSize size) {
  constexpr int kMinSide = 96;
  for (const int reduction : {8, 4, 2}) {
    if (std::min(size.height, size.width) / reduction >= kMinSide) return reduction;
  }
  return 1;
}

}  // namespace cloob
