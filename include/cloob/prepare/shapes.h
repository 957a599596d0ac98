// The built-in data set `shapes`: images of one colored shape with captions composed of its attributes.
//
// Eight colors and eight shapes make 64 classes. Sixteen of them, two per color and two per shape, never
// occur in training: a model that classifies them has learned colors and shapes separately. If shapes follow colors, only
// eight do: shape is then an attribute that the color explains away.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cloob/config/field.h"
#include "cloob/image/image.h"

namespace cloob {

/// `train` and `validation` share classes, never samples; `held_out` has the other classes. The two for probes, which read
/// color and shape from features, have all 64.
enum class ShapesSplit { train, validation, held_out, probe_train, probe_test };
template <>
struct EnumNames<ShapesSplit> {
  static constexpr std::array<std::pair<std::string_view, ShapesSplit>, 5> names{
      {{"train", ShapesSplit::train},
       {"validation", ShapesSplit::validation},
       {"held_out", ShapesSplit::held_out},
       {"probe_train", ShapesSplit::probe_train},
       {"probe_test", ShapesSplit::probe_test}}};
};

struct ShapesConfig {
  std::int64_t image_size = 64;
  std::int64_t seed = 0;
  bool shape_follows_color = false;

  static constexpr auto fields() {
    return std::tuple(
        field("image_size", &ShapesConfig::image_size, "Side length of the images in pixels.",
              Range{16, 1024}),
        field("seed", &ShapesConfig::seed, "A different seed gives different images and captions.",
              Range{0, 4294967295.0}),
        field("shape_follows_color", &ShapesConfig::shape_follows_color,
              "Whether every color always has the same shape in training and validation, so that the color "
              "alone tells what the image shows."));
  }
};
static_assert(lists_every_member<ShapesConfig>);

struct ShapeSample {
  ImageU8 image;
  std::vector<std::string> captions;  ///< several phrasings, all true
  std::string class_name;             ///< for example "red circle"
  std::string color, shape;           ///< its words
};

/// A pure function of its arguments. Classes alternate: the class is `index` modulo the number of classes.
ShapeSample render_shape_sample(const ShapesConfig& config, ShapesSplit split, std::int64_t index);

/// The class names of a split, in the order used by `render_shape_sample`.
std::vector<std::string> shape_classes(const ShapesConfig& config, ShapesSplit split);
inline std::vector<std::string> shape_classes(ShapesSplit split) {
  return shape_classes(ShapesConfig{}, split);
}

/// Prompts for zero-shot classification; "{c}" stands for the class name.
std::vector<std::string> shape_templates();

}  // namespace cloob
