// What an image of the data set `shapes` shows, and the image itself.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "cloob/base/random.h"
#include "cloob/image/image.h"

namespace cloob {

inline constexpr std::array<std::string_view, 8> kColorNames{"red",  "orange", "yellow", "green",
                                                             "cyan", "blue",   "purple", "pink"};
inline constexpr std::array<std::string_view, 3> kSizeNames{"small", "medium", "large"};
inline constexpr std::array<std::string_view, 2> kToneNames{"dark", "light"};
inline constexpr std::array<std::array<std::string_view, 3>, 3> kPlaceNames{
    {{"at the top left", "at the top", "at the top right"},
     {"on the left", "in the middle", "on the right"},
     {"at the bottom left", "at the bottom", "at the bottom right"}}};

struct ShapeClass {
  std::size_t color = 0, shape = 0;
};
/// For example "red circle".
std::string name_of(const ShapeClass& kind);

struct ShapeAttributes {
  ShapeClass kind;
  std::size_t size = 0, row = 0, column = 0, tone = 0, background = 0;
};
/// All but the class at random.
ShapeAttributes draw_attributes(const ShapeClass& kind, RandomStream& stream);
/// For example "dark striped background".
std::string background_of(const ShapeAttributes& attributes);

/// An image of `side` x `side` pixels; what the attributes leave open is random.
ImageU8 render_shape(const ShapeAttributes& attributes, int side, RandomStream& stream);

}  // namespace cloob
