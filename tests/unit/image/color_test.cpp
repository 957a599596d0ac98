#include "cloob/image/color.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace cloob {
namespace {

using Pixels = std::vector<std::uint8_t>;

Pixels changed(void (*adjust)(ImageU8&, double), double factor, const Pixels& pixels) {
  ImageU8 image{1, static_cast<int>(pixels.size() / 3), pixels};
  adjust(image, factor);
  return image.pixels;
}

TEST(Color, AppliesFactors) {
  const Pixels colors{10, 200, 90, 255, 0, 128};
  EXPECT_EQ(changed(adjust_brightness, 0.5, colors), (Pixels{5, 100, 45, 127, 0, 64}));
  EXPECT_EQ(changed(adjust_brightness, 2.0, colors), (Pixels{20, 255, 180, 255, 0, 255}));
  EXPECT_EQ(changed(adjust_saturation, 0.0, {255, 0, 0, 0, 255, 0}), (Pixels{76, 76, 76, 150, 150, 150}));
  EXPECT_EQ(changed(adjust_contrast, 0.0, {0, 0, 0, 101, 101, 101}), (Pixels{51, 51, 51, 51, 51, 51}));
  for (auto* adjust : {adjust_brightness, adjust_contrast, adjust_saturation}) {
    EXPECT_EQ(changed(adjust, 1.0, colors), colors);
  }
}

TEST(Color, HueWrapsAround) {
  EXPECT_EQ(changed(adjust_hue, 0.5, {255, 0, 0}), (Pixels{0, 255, 252}));  // 127 of 255 steps
  const Pixels grey{17, 17, 17};
  EXPECT_EQ(changed(adjust_hue, 0.3, grey), grey);
}

TEST(ColorJitter, DrawsFactorsFromTheirRangesInEveryOrder) {
  RandomStream stream(RandomUse::augmentation, {6});
  std::set<std::array<ColorOperation, 4>> orders;
  std::array<double, 4> lowest{9, 9, 9, 9}, highest{-9, -9, -9, -9};
  for (int i = 0; i < 2000; ++i) {
    const ColorJitter jitter = draw_color_jitter({0.4, 1.5, 0.0, 0.1}, stream);
    orders.insert(jitter.order);
    EXPECT_EQ(jitter.enabled, (std::array{true, true, false, true}));
    for (std::size_t k = 0; k < 4; ++k) {
      lowest[k] = std::min(lowest[k], jitter.factors[k]);
      highest[k] = std::max(highest[k], jitter.factors[k]);
    }
  }
  EXPECT_EQ(orders.size(), 24u);
  const std::array<double, 4> low{0.6, 0.0, 1.0, -0.1}, high{1.4, 2.5, 1.0, 0.1};
  for (std::size_t k = 0; k < 4; ++k) {
    EXPECT_NEAR(lowest[k], low[k], 0.01);
    EXPECT_NEAR(highest[k], high[k], 0.01);
    EXPECT_GE(lowest[k], low[k]);
    EXPECT_LE(highest[k], high[k]);
  }
}

TEST(ColorJitter, SkipsDisabledOperations) {
  using enum ColorOperation;
  ImageU8 image{1, 1, {100, 50, 20}};
  const ColorJitter jitter{
      {hue, saturation, contrast, brightness}, {2.0, 0.0, 0.0, 0.4}, {true, false, false, false}};
  apply_color_jitter(image, jitter);
  EXPECT_EQ(image.pixels, (Pixels{200, 100, 40}));
}

}  // namespace
}  // namespace cloob
