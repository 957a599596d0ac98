#include "cloob/prepare/shapes.h"

#include <fmt/format.h>

#include <algorithm>

#include "cloob/base/error.h"
#include "cloob/base/random.h"
#include "prepare/shape_drawing.h"
#include "prepare/shape_image.h"

namespace cloob {
namespace {

// Shapes whose index is the color's plus two or five, modulo eight: two per color and two per shape.
bool is_held_out(const ShapeClass& kind) {
  const std::size_t distance = (kind.shape + kColorNames.size() - kind.color) % kColorNames.size();
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
  for (std::size_t color = 0; color < kColorNames.size(); ++color) {
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

std::string with_article(std::string_view noun) {
  const bool vowel = std::string_view("aeiou").find(noun.front()) != std::string_view::npos;
  return fmt::format("{} {}", vowel ? "an" : "a", noun);
}

// One caption that only names the class, and four of the others.
std::vector<std::string> write_captions(const ShapeAttributes& a, RandomStream& stream) {
  const std::string name = name_of(a.kind);
  const std::string one = with_article(name);
  const std::string sized = fmt::format("{} {}", kSizeNames[a.size], name);
  const std::string_view place = kPlaceNames[a.row][a.column];
  const std::string background = background_of(a);
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
      fmt::format("a {} {} which is {}, {}", kSizeNames[a.size], kShapeNames[a.kind.shape],
                  kColorNames[a.kind.color], place),
      fmt::format("the picture shows a {} {}, the background is {} and {}", sized, place, kToneNames[a.tone],
                  kBackgroundNames[a.background]),
  };
  for (std::size_t i = captions.size(); i > 1; --i) std::swap(captions[i - 1], captions[stream.below(i)]);
  captions.resize(4);
  captions.insert(captions.begin(), short_captions[stream.below(short_captions.size())]);
  return captions;
}

}  // namespace

ShapeSample render_shape_sample(const ShapesConfig& config, ShapesSplit split, std::int64_t index) {
  CLOOB_CHECK(index >= 0, "sample {}", index);
  const std::vector<ShapeClass>& classes = classes_of(config, split);
  RandomStream stream(RandomUse::synthetic_data,
                      {static_cast<std::uint64_t>(config.seed), static_cast<std::uint64_t>(split),
                       static_cast<std::uint64_t>(index)});
  const ShapeClass& kind = classes[static_cast<std::size_t>(index) % classes.size()];
  const ShapeAttributes attributes = draw_attributes(kind, stream);
  std::vector<std::string> captions = write_captions(attributes, stream);
  return {render_shape(attributes, static_cast<int>(config.image_size), stream), std::move(captions),
          name_of(kind), std::string(kColorNames[kind.color]), std::string(kShapeNames[kind.shape])};
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
