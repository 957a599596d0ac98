// The built-in data set `shapes`: images of one colored shape with captions composed of its attributes.
//
// Eight colors and eight shapes make 64 classes. Sixteen of them, two per color and two per shape, never
// occur in training: a model that classifies them has learned colors and shapes separately.
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

/// `train` and `validation` share classes, never samples; `held_out` has the other classes.
enum class ShapesSplit { train, validation, held_out };
template <>
struct EnumNames<ShapesSplit> {
  static constexpr std::array<std::pair<std::string_view, ShapesSplit>, 3> names{
      {{"train", ShapesSplit::train},
       {"validation", ShapesSplit::validation},
       {"held_out", ShapesSplit::held_out}}};
};

struct ShapesConfig {
  std::int64_t image_size = 64;
  std::int64_t seed = 0;

  static constexpr auto fields() {
    return std::tuple(field("image_size", &ShapesConfig::image_size, "Side length of the images in pixels.",
                            Range{16, 1024}),
                      field("seed", &ShapesConfig::seed,
                            "A different seed gives different images and captions.", Range{0, 4294967295.0}));
  }
};
static_assert(lists_every_member<ShapesConfig>);

struct ShapeSample {
  ImageU8 image;
  std::vector<std::string> captions;  ///< several phrasings, all true
  std::string class_name;             ///< for example "red circle"
};

/// A pure function of its arguments. Classes alternate: the class is `index` modulo the number of classes.
ShapeSample render_shape_sample(const ShapesConfig& config, ShapesSplit split, std::int64_t index);

/// The class names of a split, in the order used by `render_shape_sample`.
std::vector<std::string> shape_classes(ShapesSplit split);

/// Prompts for zero-shot classification; "{c}" stands for the class name.
std::vector<std::string> shape_templates();

}  // namespace cloob
