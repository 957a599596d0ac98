#include "prepare/inspect_image.h"

#include <gtest/gtest.h>

#include "test_images.h"

namespace cloob {
namespace {

using testing::blocks;
using testing::fill;

constexpr testing::Color kWhite = {255, 255, 255}, kBlack = {0, 0, 0};

ImageU8 with_bars(const testing::Color& color, int top, int bottom, int left, int right) {
  ImageU8 image = blocks(96, 64, 1);
  fill(image, {0, 0, 96, top}, color);
  fill(image, {0, 64 - bottom, 96, bottom}, color);
  fill(image, {0, 0, left, 64}, color);
  fill(image, {96 - right, 0, right, 64}, color);
  return image;
}

TEST(InspectImage, DetectsBarsOnOppositeSides) {
  const ImageStats horizontal = analyze_image(with_bars(kWhite, 10, 6, 0, 0));
  EXPECT_TRUE(horizontal.white.exist());
  EXPECT_FALSE(horizontal.white.vertical);
  EXPECT_EQ(horizontal.white.first, 10);
  EXPECT_EQ(horizontal.white.second, 6);
  EXPECT_DOUBLE_EQ(horizontal.white.area_fraction({64, 96}), 0.25);
  EXPECT_FALSE(horizontal.black.exist());

  const ImageStats vertical = analyze_image(with_bars(kBlack, 0, 0, 12, 12));
  EXPECT_TRUE(vertical.black.exist());
  EXPECT_TRUE(vertical.black.vertical);
  EXPECT_DOUBLE_EQ(vertical.black.area_fraction({64, 96}), 0.25);
  EXPECT_FALSE(vertical.white.exist());
}

TEST(InspectImage, DoesNotMistakeOtherMarginsForBars) {
  EXPECT_FALSE(analyze_image(with_bars(kWhite, 0, 0, 0, 0)).white.exist());
  EXPECT_FALSE(analyze_image(with_bars(kWhite, 10, 0, 0, 0)).white.exist());  // one side: a bright sky
  EXPECT_FALSE(analyze_image(with_bars(kWhite, 6, 6, 6, 6)).white.exist());   // a plain background
  EXPECT_FALSE(analyze_image(with_bars(kWhite, 1, 1, 0, 0)).white.exist());   // too thin
  EXPECT_FALSE(analyze_image(with_bars({200, 200, 200}, 9, 9, 0, 0)).white.exist());
}

TEST(InspectImage, DetectsImagesOfOneColorAndGrayImages) {
  ImageU8 image = make_image({20, 30}, PixelMode::rgb);
  fill(image, {0, 0, 30, 20}, {90, 140, 200});
  image.pixels[7] = 147;
  ImageStats stats = analyze_image(image);
  EXPECT_TRUE(stats.one_color);
  image.pixels[7] = 149;
  EXPECT_FALSE(analyze_image(image).one_color);

  fill(image, {0, 0, 30, 20}, kWhite);  // no bars, although all rows are white
  stats = analyze_image(image);
  EXPECT_TRUE(stats.one_color);
  EXPECT_FALSE(stats.white.exist());
  EXPECT_FALSE(stats.gray);

  fill(image, {0, 0, 15, 20}, {100, 101, 99});
  EXPECT_TRUE(analyze_image(image).gray);
  fill(image, {0, 0, 15, 20}, {100, 120, 90});
  EXPECT_FALSE(analyze_image(image).gray);
  EXPECT_FALSE(analyze_image(blocks(32, 32, 2)).gray);
}

TEST(InspectImage, IsReducedWithoutLosingBars) {
  EXPECT_EQ(reduction_for_analysis({128, 128}), 1);
  EXPECT_EQ(reduction_for_analysis({224, 224}), 2);
  EXPECT_EQ(reduction_for_analysis({480, 640}), 4);
  EXPECT_EQ(reduction_for_analysis({3000, 4000}), 8);
  EXPECT_EQ(reduction_for_analysis({50, 4000}), 1);
}

}  // namespace
}  // namespace cloob
