#include "cloob/prepare/shapes.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>

#include "cloob/base/error.h"
#include "cloob/base/random.h"
#include "cloob/image/mat.h"
#include "prepare/shape_drawing.h"

namespace cloob {
namespace {

struct Color {
  std::string_view name;
  double hue;         ///< degrees
  double saturation;  ///< 0..1
  double value;       ///< 0..1
};

// All strongly saturated, so that no gray background resembles one.
constexpr std::array<Color, 8> kColors{{{"red", 2, 0.88, 0.86},
                                        {"orange", 27, 0.95, 0.98},
                                        {"yellow", 53, 0.88, 0.96},
                                        {"green", 128, 0.75, 0.62},
                                        {"cyan", 182, 0.75, 0.88},
                                        {"blue", 222, 0.85, 0.83},
                                        {"purple", 276, 0.72, 0.62},
                                        {"pink", 330, 0.45, 0.98}}};
constexpr std::array<std::string_view, 3> kSizes{"small", "medium", "large"};
constexpr std::array<double, 3> kRadii{0.13, 0.2, 0.28};  // as fractions of the image side
constexpr std::array<std::string_view, 2> kTones{"dark", "light"};
constexpr std::array<std::array<std::string_view, 3>, 3> kPlaces{
    {{"at the top left", "at the top", "at the top right"},
     {"on the left", "in the middle", "on the right"},
     {"at the bottom left", "at the bottom", "at the bottom right"}}};

struct ShapeClass {
  std::size_t color, shape;
};

struct Attributes {
  ShapeClass kind;
  std::size_t size, row, column, tone, background;
};

// Shapes whose index is the color's plus two or five, modulo eight: two per color and two per shape.
bool is_held_out(const ShapeClass& kind) {
  const std::size_t distance = (kind.shape + kColors.size() - kind.color) % kColors.size();
  return distance == 2 || distance == 5;
}

bool is_in(const ShapeClass& kind, ShapesSplit split, bool shape_follows_color) {
  switch (split) {
    case ShapesSplit::held_out:
      return is_held_out(kind);
    case ShapesSplit::probe_train:
    case ShapesSplit::probe_test:
      return true;
    case ShapesSplit::train:
    case ShapesSplit::validation:
      break;
  }
  return shape_follows_color ? kind.shape == kind.color : !is_held_out(kind);
}

std::vector<ShapeClass> classes_of(ShapesSplit split, bool shape_follows_color) {
  std::vector<ShapeClass> classes;
  for (std::size_t color = 0; color < kColors.size(); ++color) {
    for (std::size_t shape = 0; shape < kShapeNames.size(); ++shape) {
      const ShapeClass kind{color, shape};
      if (is_in(kind, split, shape_follows_color)) classes.push_back(kind);
    }
  }
  return classes;
}

// Made once.
const std::vector<ShapeClass>& classes_of(const ShapesConfig& config, ShapesSplit split) {
  static const auto kClasses = [] {
    std::array<std::array<std::vector<ShapeClass>, EnumNames<ShapesSplit>::names.size()>, 2> classes;
    for (const bool follows : {false, true}) {
      for (const auto& [name, value] : EnumNames<ShapesSplit>::names)
        classes[follows ? 1 : 0][static_cast<std::size_t>(value)] = classes_of(value, follows);
    }
    return classes;
  }();
  return kClasses[config.shape_follows_color ? 1 : 0][static_cast<std::size_t>(split)];
}

std::string name_of(const ShapeClass& kind) {
  return fmt::format("{} {}", kColors[kind.color].name, kShapeNames[kind.shape]);
}

std::string with_article(std::string_view noun) {
  const bool vowel = std::string_view("aeiou").find(noun.front()) != std::string_view::npos;
  return fmt::format("{} {}", vowel ? "an" : "a", noun);
}

Attributes draw_attributes(const ShapeClass& kind, RandomStream& stream) {
  Attributes drawn{kind, 0, 0, 0, 0, 0};
  drawn.size = stream.below(kSizes.size());
  drawn.row = stream.below(kPlaces.size());
  drawn.column = stream.below(kPlaces.size());
  drawn.tone = stream.below(kTones.size());
  drawn.background = stream.below(kBackgroundNames.size());
  return drawn;
}

// One caption that only names the class, and four of the others.
std::vector<std::string> write_captions(const Attributes& a, RandomStream& stream) {
  const std::string name = name_of(a.kind);
  const std::string one = with_article(name);
  const std::string sized = fmt::format("{} {}", kSizes[a.size], name);
  const std::string_view place = kPlaces[a.row][a.column];
  const std::string background =
      fmt::format("{} {} background", kTones[a.tone], kBackgroundNames[a.background]);
  const std::array<std::string, 4> short_captions{fmt::format("one {}", name),
                                                  fmt::format("a picture of one {}", name), one,
                                                  fmt::format("there is {}", one)};
  std::vector<std::string> captions{
      fmt::format("a {} {}", sized, place),
      fmt::format("a {} on a {}", sized, background),
      fmt::format("{} {} on a {}", one, place, background),
      fmt::format("a {} {} on a {}", sized, place, background),
      fmt::format("a {} and one {} {}", background, sized, place),
      fmt::format("on a {} there is {} {}", background, one, place),
      fmt::format("a {} {} which is {}, {}", kSizes[a.size], kShapeNames[a.kind.shape],
                  kColors[a.kind.color].name, place),
      fmt::format("the picture shows a {} {}, the background is {} and {}", sized, place, kTones[a.tone],
                  kBackgroundNames[a.background]),
  };
  for (std::size_t i = captions.size(); i > 1; --i) std::swap(captions[i - 1], captions[stream.below(i)]);
  captions.resize(4);
  captions.insert(captions.begin(), short_captions[stream.below(short_captions.size())]);
  return captions;
}

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

ShapePlacement draw_placement(const Attributes& a, double side, RandomStream& stream) {
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

ImageU8 render(const Attributes& a, int side, RandomStream& stream) {
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

}  // namespace

ShapeSample render_shape_sample(const ShapesConfig& config, ShapesSplit split, std::int64_t index) {
  CLOOB_CHECK(index >= 0, "sample {}", index);
  const std::vector<ShapeClass>& classes = classes_of(config, split);
  RandomStream stream(RandomUse::synthetic_data,
                      {static_cast<std::uint64_t>(config.seed), static_cast<std::uint64_t>(split),
                       static_cast<std::uint64_t>(index)});
  const ShapeClass& kind = classes[static_cast<std::size_t>(index) % classes.size()];
  const Attributes attributes = draw_attributes(kind, stream);
  std::vector<std::string> captions = write_captions(attributes, stream);
  return {render(attributes, static_cast<int>(config.image_size), stream), std::move(captions), name_of(kind),
          std::string(kColors[kind.color].name), std::string(kShapeNames[kind.shape])};
}

std::vector<std::string> shape_classes(const ShapesConfig& config, ShapesSplit split) {
  std::vector<std::string> names;
  for (const ShapeClass& kind : classes_of(config, split)) names.push_back(name_of(kind));
  return names;
}

std::vector<std::string> shape_templates() {
  return {"one {c}", "a picture of one {c}", "there is one {c}", "the picture shows one {c}"};
}

}  // namespace cloob
