#include "image/text_painter.h"

#include <gtest/gtest.h>

#include <string>

namespace cloob {
namespace {

constexpr std::array<std::uint8_t, 3> kInk{255, 200, 100};

ImageU8 blank() { return make_image({24, 120}, PixelMode::rgb); }

ImageU8 drawn(const TextPainter& painter, const std::u32string& line) {
  ImageU8 image = blank();
  painter.draw(image, 4, TextPainter::kAscent, line, kInk);
  return image;
}

TEST(TextPainter, DrawsTheInkWhereTheTextIs) {
  const TextPainter painter;
  const ImageU8 image = drawn(painter, U"HH");
  const int width = painter.width(U"HH");
  EXPECT_GT(width, 12);
  EXPECT_LT(width, 24);
  int inked = 0;
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      const std::uint8_t* pixel = image.row(y) + 3 * x;
      if (pixel[0] == 0) continue;
      ++inked;
      EXPECT_TRUE(x >= 4 && x < 4 + width && y < TextPainter::kAscent) << x << ", " << y;
      EXPECT_LE(pixel[2], pixel[1]);
    }
  }
  EXPECT_GT(inked, 20);
}

TEST(TextPainter, OrdersRightToLeftText) {
  const TextPainter painter;
  ImageU8 expected = blank();
  const std::u32string first = U"\u05d0", second = U"\u05d1";
  painter.draw(expected, 4, TextPainter::kAscent, second, kInk);
  painter.draw(expected, 4 + painter.width(second), TextPainter::kAscent, first, kInk);
  EXPECT_EQ(drawn(painter, first + second).pixels, expected.pixels);
}

TEST(TextPainter, JoinsArabicLetters) {
  const TextPainter painter;
  EXPECT_NE(painter.width(U"\u0628\u0628"), 2 * painter.width(U"\u0628"));
}

TEST(TextPainter, DrawsWhatFitsIntoTheImage) {
  const TextPainter painter;
  ImageU8 image = make_image({5, 7}, PixelMode::rgb);
  for (const int at : {-20, -3, 0, 6, 50}) painter.draw(image, at, at, U"HgHg", kInk);
  EXPECT_EQ(image.pixels.size(), 5U * 7 * 3);
}

TEST(DrawableText, KeepsWhatCanBeSeen) {
  EXPECT_EQ(drawable_text("a\tb\x7f\u0085c"), U"a b  c");
  EXPECT_EQ(drawable_text("\U0001f469\u200d\U0001f4bb\ufe0f"), U"\U0001f469\U0001f4bb");
  EXPECT_EQ(drawable_text("caf\xe9!"), U"caf\ufffd!");
}

}  // namespace
}  // namespace cloob
