#include "cloob/image/normalize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "cloob/base/random.h"
#include "image/avx2.h"
#include "image/normalize_avx2.h"

namespace cloob {
namespace {

float expected(int level, double mean, double deviation) {
  return (static_cast<float>(level) / 255.0f - static_cast<float>(mean)) / static_cast<float>(deviation);
}

// One pixel of each grey level.
std::vector<std::uint8_t> grey_ramp() {
  std::vector<std::uint8_t> rgb(3 * 256);
  for (std::size_t i = 0; i < rgb.size(); ++i) rgb[i] = static_cast<std::uint8_t>(i / 3);
  return rgb;
}

// The worst case for the fast division is a deviation whose significand is all ones.
TEST(Normalizer, GivesTorchvisionsFloatsForEveryLevelAndAnySettings) {
  RandomStream random(RandomUse::synthetic_data, {3});
  const std::vector<std::uint8_t> greys = grey_ramp();
  const double all_ones = std::nextafter(1.0f, 0.0f);
  for (int trial = 0; trial < 500; ++trial) {
    const std::array<double, 3> mean{random.uniform(), random.uniform(), trial % 2 == 0 ? 0.0 : 0.5};
    const std::array<double, 3> deviation{std::exp(random.uniform(-13.0, 13.0)), random.uniform(0.05, 1.0),
                                          trial % 3 == 0 ? all_ones : 0.26862954};
    std::vector<float> floats(3 * 256);
    Normalizer(mean, deviation)(greys, floats.data(), 256);
    for (std::size_t i = 0; i < floats.size(); ++i) {
      ASSERT_EQ(floats[i], expected(static_cast<int>(i % 256), mean[i / 256], deviation[i / 256]))
          << i << " with " << mean[i / 256] << " and " << deviation[i / 256];
    }
  }
}

TEST(Normalizer, WritesRowsOfEveryWidthAndNothingElse) {
  const std::array<double, 3> mean{0.48145466, 0.4578275, 0.40821073}, deviation{0.27, 0.26, 0.28};
  const Normalizer normalize(mean, deviation);
  RandomStream random(RandomUse::synthetic_data, {4});
  for (std::size_t width = 1; width <= 40; ++width) {
    std::vector<std::uint8_t> rgb(3 * width);
    for (std::uint8_t& level : rgb) level = static_cast<std::uint8_t>(random.below(256));
    const std::size_t plane = width + 2;
    std::vector<float> floats(3 * plane, -99.0f);
    normalize(rgb, floats.data() + 1, plane);
    for (std::size_t c = 0; c < 3; ++c) {
      const float* row = floats.data() + c * plane;
      EXPECT_EQ(row[0], -99.0f);
      EXPECT_EQ(row[width + 1], -99.0f);
      for (std::size_t x = 0; x < width; ++x) {
        ASSERT_EQ(row[1 + x], expected(rgb[3 * x + c], mean[c], deviation[c])) << width << " " << x;
      }
    }
  }
}

#if CLOOB_HAS_AVX2_KERNELS
TEST(Normalizer, FastDivisionIsExactForUsualSettings) {
  if (!has_avx2()) GTEST_SKIP() << "this processor has no AVX2";
  RandomStream random(RandomUse::synthetic_data, {5});
  const std::vector<std::uint8_t> greys = grey_ramp();
  for (int trial = 0; trial < 500; ++trial) {
    std::array<float, 3> mean, deviation;
    for (float& value : mean) value = static_cast<float>(random.uniform());
    for (float& value : deviation) value = static_cast<float>(random.uniform(0.01, 2.0));
    std::vector<float> floats(3 * 256);
    normalize_row_avx2(greys, mean, deviation, floats.data(), 256);
    for (std::size_t i = 0; i < floats.size(); ++i) {
      ASSERT_EQ(floats[i], expected(static_cast<int>(i % 256), mean[i / 256], deviation[i / 256]))
          << i << " with " << mean[i / 256] << " and " << deviation[i / 256];
    }
  }
}
#endif

}  // namespace
}  // namespace cloob
