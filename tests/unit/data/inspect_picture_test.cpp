#include "data/inspect_picture.h"

#include <gtest/gtest.h>

#include "test_pictures.h"

namespace cloob {
namespace {

using testing::blocks;
using testing::fill;

constexpr testing::Color kWhite = {255, 255, 255}, kBlack = {0, 0, 0};

ImageU8 with_bars(const testing::Color& color, int above, int below, int left, int right) {
  ImageU8 image = blocks(96, 64, 1);
  fill(image, {0, 0, 96, above}, color);
  fill(image, {0, 64 - below, 96, below}, color);
  fill(image, {0, 0, left, 64}, color);
  fill(image, {96 - right, 0, right, 64}, color);
  return image;
}

TEST(InspectPicture, FindsBarsOnOppositeSides) {
  const PictureLook across = look_at_picture(with_bars(kWhite, 10, 6, 0, 0));
  EXPECT_TRUE(across.white.exist());
  EXPECT_FALSE(across.white.beside);
  EXPECT_EQ(across.white.first, 10);
  EXPECT_EQ(across.white.second, 6);
  EXPECT_DOUBLE_EQ(across.white.share({64, 96}), 0.25);
  EXPECT_FALSE(across.black.exist());

  const PictureLook beside = look_at_picture(with_bars(kBlack, 0, 0, 12, 12));
  EXPECT_TRUE(beside.black.exist());
  EXPECT_TRUE(beside.black.beside);
  EXPECT_DOUBLE_EQ(beside.black.share({64, 96}), 0.25);
  EXPECT_FALSE(beside.white.exist());
}

TEST(InspectPicture, TakesNothingElseForBars) {
  EXPECT_FALSE(look_at_picture(with_bars(kWhite, 0, 0, 0, 0)).white.exist());
  EXPECT_FALSE(look_at_picture(with_bars(kWhite, 10, 0, 0, 0)).white.exist());  // one side: a bright sky
  EXPECT_FALSE(look_at_picture(with_bars(kWhite, 6, 6, 6, 6)).white.exist());   // a plain ground
  EXPECT_FALSE(look_at_picture(with_bars(kWhite, 1, 1, 0, 0)).white.exist());   // too thin
  EXPECT_FALSE(look_at_picture(with_bars({200, 200, 200}, 9, 9, 0, 0)).white.exist());
}

TEST(InspectPicture, FindsPicturesOfOneColorAndWithoutColors) {
  ImageU8 image = make_image({20, 30}, PixelMode::rgb);
  fill(image, {0, 0, 30, 20}, {90, 140, 200});
  image.pixels[7] = 147;
  PictureLook look = look_at_picture(image);
  EXPECT_TRUE(look.one_color);
  image.pixels[7] = 149;
  EXPECT_FALSE(look_at_picture(image).one_color);

  fill(image, {0, 0, 30, 20}, kWhite);  // no bars, although all rows are white
  look = look_at_picture(image);
  EXPECT_TRUE(look.one_color);
  EXPECT_FALSE(look.white.exist());
  EXPECT_FALSE(look.gray);

  fill(image, {0, 0, 15, 20}, {100, 101, 99});
  EXPECT_TRUE(look_at_picture(image).gray);
  fill(image, {0, 0, 15, 20}, {100, 120, 90});
  EXPECT_FALSE(look_at_picture(image).gray);
  EXPECT_FALSE(look_at_picture(blocks(32, 32, 2)).gray);
}

TEST(InspectPicture, IsReducedWithoutLosingItsBars) {
  EXPECT_EQ(reduction_to_look({128, 128}), 1);
  EXPECT_EQ(reduction_to_look({224, 224}), 2);
  EXPECT_EQ(reduction_to_look({480, 640}), 4);
  EXPECT_EQ(reduction_to_look({3000, 4000}), 8);
  EXPECT_EQ(reduction_to_look({50, 4000}), 1);
}

}  // namespace
}  // namespace cloob
