#include "prepare/shape_image.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>

#include "cloob/image/mat.h"
#include "prepare/shape_drawing.h"

namespace cloob {
namespace {

struct Color {
  double hue;         ///< degrees
  double saturation;  ///< 0..1
  double value;       ///< 0..1
};

// All strongly saturated, so that no gray background resembles one.
constexpr std::array<Color, kColorNames.size()> kColors{{{2, 0.88, 0.86},
                                                         {27, 0.95, 0.98},
                                                         {53, 0.88, 0.96},
                                                         {128, 0.75, 0.62},
                                                         {182, 0.75, 0.88},
                                                         {222, 0.85, 0.83},
                                                         {276, 0.72, 0.62},
                                                         {330, 0.45, 0.98}}};
constexpr std::array<double, kSizeNames.size()> kRadii{0.13, 0.2, 0.28};  // as fractions of the image side

cv::Scalar draw_color(const Color& color, RandomStream& stream) {
  const double hue = color.hue + 360.0 + stream.uniform(-6.0, 6.0);
  const double saturation = std::clamp(color.saturation + stream.uniform(-0.07, 0.07), 0.0, 1.0);
  const double value = std::clamp(color.value + stream.uniform(-0.08, 0.06), 0.0, 1.0);
  const auto channel = [&](double offset) {
    const double k = std::fmod(offset + hue / 60.0, 6.0);
    return 255.0 * value * (1.0 - saturation * std::clamp(std::min(k, 4.0 - k), 0.0, 1.0));
  };
  return {channel(5.0), channel(3.0), channel(1.0)};
}

ShapePlacement draw_placement(const ShapeAttributes& a, double side, RandomStream& stream) {
  const double radius = kRadii[a.size] * stream.uniform(0.9, 1.1);
  const double reach = std::min(0.25, 0.47 - radius);  // how far from the center a shape of that size can be
  const auto coordinate = [&](std::size_t third) {
    return side * (0.5 + reach * (static_cast<double>(third) - 1.0) + stream.uniform(-0.03, 0.03));
  };
  const double x = coordinate(a.column);
  return {{x, coordinate(a.row)}, side * radius, stream.uniform(-18.0, 18.0)};
}

// Approximately Gaussian: the sum of four uniform numbers, taken from the 64 bits of one draw.
void add_noise(ImageU8& image, double deviation, RandomStream& stream) {
  for (std::uint8_t& level : image.pixels) {
    const std::uint64_t bits = stream.next();
    double sum = -2.0;
    for (int part = 0; part < 4; ++part)
      sum += static_cast<double>((bits >> (16 * part)) & 0xFFFFu) / 65535.0;
    level = cv::saturate_cast<std::uint8_t>(level + sum * deviation * std::sqrt(3.0));
  }
}

}  // namespace

std::string name_of(const ShapeClass& kind) {
  return fmt::format("{} {}", kColorNames[kind.color], kShapeNames[kind.shape]);
}

ShapeAttributes draw_attributes(const ShapeClass& kind, RandomStream& stream) {
  ShapeAttributes drawn{.kind = kind};
  drawn.size = stream.below(kSizeNames.size());
  drawn.row = stream.below(kPlaceNames.size());
  drawn.column = stream.below(kPlaceNames.size());
  drawn.tone = stream.below(kToneNames.size());
  drawn.background = stream.below(kBackgroundNames.size());
  return drawn;
}

std::string background_of(const ShapeAttributes& attributes) {
  return fmt::format("{} {} background", kToneNames[attributes.tone],
                     kBackgroundNames[attributes.background]);
}

ImageU8 render_shape(const ShapeAttributes& a, int side, RandomStream& stream) {
  constexpr int kOversampling = 2;
  const int canvas_side = side * kOversampling;
  const double tone = a.tone == 0 ? stream.uniform(35.0, 85.0) : stream.uniform(175.0, 225.0);
  cv::Mat canvas = draw_background(a.background, canvas_side, tone, stream);
  const ShapePlacement placement = draw_placement(a, canvas_side, stream);
  draw_shape(canvas, a.kind.shape, placement, draw_color(kColors[a.kind.color], stream));
  ImageU8 image = make_image({side, side}, PixelMode::rgb);
  cv::Mat pixels = as_mat(image);
  cv::resize(canvas, pixels, pixels.size(), 0, 0, cv::INTER_AREA);
  add_noise(image, stream.uniform(1.0, 6.0), stream);
  return image;
}

}  // namespace cloob
