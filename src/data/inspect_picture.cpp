#include "data/inspect_picture.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace cloob {
namespace {

// Compression leaves traces: bars are not exactly white or black, nor are grey pictures quite without colour.
constexpr int kWhite = 240;
constexpr int kBlack = 15;
constexpr int kSameColor = 8;
constexpr double kGrayChroma = 3;
constexpr double kThinnestBar = 0.03;  // of the side; edges of a pixel or two are common and do not matter

struct Margins {
  int above = 0, below = 0, left = 0, right = 0;
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
  while (margins.above < image.height && is_bar_row(margins.above)) ++margins.above;
  while (margins.below < image.height && is_bar_row(image.height - 1 - margins.below)) ++margins.below;
  while (margins.left < image.width && is_bar_column(margins.left)) ++margins.left;
  while (margins.right < image.width && is_bar_column(image.width - 1 - margins.right)) ++margins.right;
  return margins;
}

template <class IsBar>
Bars bars_of(const ImageU8& image, const IsBar& is_bar) {
  const Margins margins = margins_of(image, is_bar);
  const auto are_bars = [](int first, int second, int side) {
    return std::min(first, second) >= std::max(1.0, kThinnestBar * side);
  };
  const bool lie_across = are_bars(margins.above, margins.below, image.height);
  const bool lie_beside = are_bars(margins.left, margins.right, image.width);
  // Both: something in front of a plain ground, as shops show it.
  if (lie_across == lie_beside) return {};
  if (lie_beside) return {.beside = true, .first = margins.left, .second = margins.right};
  return {.beside = false, .first = margins.above, .second = margins.below};
}

}  // namespace

double Bars::share(ImageSize size) const {
  return static_cast<double>(first + second) / (beside ? size.width : size.height);
}

PictureLook look_at_picture(const ImageU8& image) {
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
  PictureLook look;
  look.one_color = highest[0] - lowest[0] <= kSameColor && highest[1] - lowest[1] <= kSameColor &&
                   highest[2] - lowest[2] <= kSameColor;
  if (look.one_color) return look;
  look.gray = static_cast<double>(chroma) <= kGrayChroma * image.height * image.width;
  look.white = bars_of(image, [](std::uint8_t level) { return level >= kWhite; });
  look.black = bars_of(image, [](std::uint8_t level) { return level <= kBlack; });
  return look;
}

int reduction_to_look(ImageSize size) {
  constexpr int kEnoughPixels = 96;
  for (const int reduction : {8, 4, 2}) {
    if (std::min(size.height, size.width) / reduction >= kEnoughPixels) return reduction;
  }
  return 1;
}

}  // namespace cloob
