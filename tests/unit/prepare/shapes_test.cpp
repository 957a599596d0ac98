#include "cloob/prepare/shapes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

namespace cloob {
namespace {

using ::testing::HasSubstr;

std::set<std::string> words(const std::vector<std::string>& names, std::size_t which) {
  std::set<std::string> found;
  for (const std::string& name : names) {
    const std::size_t space = name.find(' ');
    found.insert(which == 0 ? name.substr(0, space) : name.substr(space + 1));
  }
  return found;
}

TEST(Shapes, HoldsOutCombinationsButNeitherColorsNorShapes) {
  const std::vector<std::string> train = shape_classes(ShapesSplit::train);
  const std::vector<std::string> held_out = shape_classes(ShapesSplit::held_out);
  EXPECT_EQ(train.size(), 48u);
  EXPECT_EQ(held_out.size(), 16u);
  EXPECT_EQ(shape_classes(ShapesSplit::validation), train);
  for (const std::string& name : held_out) EXPECT_THAT(train, ::testing::Not(::testing::Contains(name)));
  for (const std::size_t which : {0u, 1u}) {
    EXPECT_EQ(words(train, which).size(), 8u);
    EXPECT_EQ(words(held_out, which), words(train, which));
  }
}

TEST(Shapes, FollowColorsInTrainingAndNowhereElse) {
  const ShapesConfig follows{.image_size = 32, .shape_follows_color = true};
  const std::vector<std::string> train = shape_classes(follows, ShapesSplit::train);
  EXPECT_EQ(train.size(), 8u);
  EXPECT_EQ(shape_classes(follows, ShapesSplit::validation), train);
  for (const std::size_t which : {0u, 1u}) EXPECT_EQ(words(train, which).size(), 8u);
  EXPECT_EQ(shape_classes(follows, ShapesSplit::held_out), shape_classes(ShapesSplit::held_out));
  for (const std::string& name : shape_classes(ShapesSplit::held_out))
    EXPECT_THAT(train, ::testing::Not(::testing::Contains(name)));
  for (const ShapesSplit split : {ShapesSplit::probe_train, ShapesSplit::probe_test}) {
    const std::vector<std::string> all = shape_classes(follows, split);
    EXPECT_EQ(std::set<std::string>(all.begin(), all.end()).size(), 64u);
    EXPECT_EQ(shape_classes(split), all);
  }
  for (std::int64_t i = 0; i < 16; ++i) {
    const ShapeSample sample = render_shape_sample(follows, ShapesSplit::train, i);
    EXPECT_EQ(sample.color + " " + sample.shape, sample.class_name);
    EXPECT_EQ(sample.class_name, train[static_cast<std::size_t>(i) % 8]);
    for (const std::string& caption : sample.captions) {
      EXPECT_THAT(caption, HasSubstr(sample.color));
      EXPECT_THAT(caption, HasSubstr(sample.shape));
    }
  }
}

TEST(Shapes, SampleIsAPureFunctionOfItsKey) {
  const ShapesConfig config;
  const ShapeSample sample = render_shape_sample(config, ShapesSplit::train, 5);
  const ShapeSample again = render_shape_sample(config, ShapesSplit::train, 5);
  EXPECT_EQ(again.image.pixels, sample.image.pixels);
  EXPECT_EQ(again.captions, sample.captions);
  EXPECT_NE(render_shape_sample(config, ShapesSplit::validation, 5).image.pixels, sample.image.pixels);
  ShapesConfig other = config;
  other.seed = 1;
  EXPECT_NE(render_shape_sample(other, ShapesSplit::train, 5).image.pixels, sample.image.pixels);
}

TEST(Shapes, EveryCaptionNamesColorAndShape) {
  const ShapesConfig config{32, 0};
  for (const ShapesSplit split : {ShapesSplit::train, ShapesSplit::held_out}) {
    const std::vector<std::string> classes = shape_classes(split);
    for (std::int64_t i = 0; i < 100; ++i) {
      const ShapeSample sample = render_shape_sample(config, split, i);
      EXPECT_EQ(sample.class_name, classes[static_cast<std::size_t>(i) % classes.size()]);
      EXPECT_EQ(std::set(sample.captions.begin(), sample.captions.end()).size(), 5u);
      const std::size_t space = sample.class_name.find(' ');
      for (const std::string& caption : sample.captions) {
        EXPECT_THAT(caption, HasSubstr(sample.class_name.substr(0, space)));
        EXPECT_THAT(caption, HasSubstr(sample.class_name.substr(space + 1)));
      }
    }
  }
}

// The images have the color that the caption names: pixels far from gray have that hue.
TEST(Shapes, ImagesShowTheColorThatTheyAreNamedAfter) {
  const std::map<std::string, std::array<int, 3>> primaries = {
      {"red", {1, 0, 0}}, {"green", {0, 1, 0}}, {"blue", {0, 0, 1}}};
  int num_checked = 0;
  for (std::int64_t i = 0; i < 48; ++i) {
    const ShapeSample sample = render_shape_sample({}, ShapesSplit::train, i);
    const auto primary = primaries.find(sample.class_name.substr(0, sample.class_name.find(' ')));
    if (primary == primaries.end()) continue;
    int colored = 0, right = 0;
    for (std::size_t p = 0; p < sample.image.pixels.size(); p += 3) {
      const std::uint8_t* rgb = sample.image.pixels.data() + p;
      const int maximum = *std::max_element(rgb, rgb + 3);
      if (maximum - *std::min_element(rgb, rgb + 3) < 70) continue;
      ++colored;
      for (std::size_t c = 0; c < 3; ++c) right += rgb[c] == maximum && primary->second[c] == 1;
    }
    EXPECT_GT(colored, 60) << sample.class_name;
    EXPECT_EQ(right, colored) << sample.class_name;
    ++num_checked;
  }
  EXPECT_EQ(num_checked, 18);
}

TEST(Shapes, RendersAtAnySize) {
  const ShapeSample sample = render_shape_sample({224, 0}, ShapesSplit::held_out, 0);
  EXPECT_EQ(sample.image.size(), (ImageSize{224, 224}));
}

}  // namespace
}  // namespace cloob
