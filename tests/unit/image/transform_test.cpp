#include "cloob/image/transform.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "cloob/image/blur.h"
#include "support/support.h"

namespace cloob {
namespace {

ImageU8 noise(ImageSize size) {
  ImageU8 image = make_image(size, PixelMode::rgb);
  RandomStream stream(RandomUse::synthetic_data, {8});
  for (std::uint8_t& value : image.pixels) value = static_cast<std::uint8_t>(stream.below(256));
  return image;
}

std::vector<float> run(const ImageTransform& transform, const ImageU8& image, std::uint64_t seed) {
  std::vector<float> chw(transform.num_floats(), NAN);
  RandomStream stream(RandomUse::augmentation, {seed});
  transform(image, stream, chw);
  return chw;
}

TEST(TrainTransform, DependsOnlyOnImageAndStream) {
  ImageConfig config;
  config.color_jitter = {0.4, 0.4, 0.4, 0.1};
  config.color_jitter_probability = 0.8;
  config.gray_scale_probability = 0.2;
  config.interpolation = Interpolation::random;
  const TrainTransform transform(config, 16);
  const ImageU8 image = noise({40, 30});
  const std::vector<float> first = run(transform, image, 1);
  run(transform, noise({90, 80}), 5);
  EXPECT_EQ(run(transform, image, 1), first);
  EXPECT_NE(run(transform, image, 2), first);
}

TEST(TrainTransform, FlipMirrorsTheSameCrop) {
  ImageConfig config;
  const ImageU8 image = noise({40, 30});
  const std::vector<float> unflipped = run(TrainTransform(config, 16), image, 3);
  config.horizontal_flip_probability = 1.0;
  const std::vector<float> flipped = run(TrainTransform(config, 16), image, 3);
  for (std::size_t i = 0; i < flipped.size(); ++i)
    ASSERT_EQ(flipped[i], unflipped[i / 16 * 16 + (15 - i % 16)]) << i;
}

TEST(TrainTransform, GreyImagesHaveEqualChannels) {
  ImageConfig config;
  config.gray_scale_probability = 1.0;
  config.mean = {0.5, 0.5, 0.5};
  config.std = {0.25, 0.25, 0.25};
  const std::vector<float> chw = run(TrainTransform(config, 8), noise({20, 20}), 4);
  for (std::size_t i = 0; i < 64; ++i) {
    ASSERT_EQ(chw[i], chw[64 + i]);
    ASSERT_EQ(chw[i], chw[128 + i]);
  }
}

std::vector<float> unnormalized(ImageConfig config, const ImageU8& image, std::uint64_t seed) {
  config.mean = {0.0, 0.0, 0.0};
  config.std = {1.0, 1.0, 1.0};
  return run(TrainTransform(config, 16), image, seed);
}

ImageU8 image_of(const std::vector<float>& chw) {
  ImageU8 image = make_image({16, 16}, PixelMode::rgb);
  for (std::size_t i = 0; i < chw.size(); ++i)
    image.pixels[i % 256 * 3 + i / 256] = static_cast<std::uint8_t>(std::lround(255.0f * chw[i]));
  return image;
}

// The blur's draws are the last ones: with and without it, an image has the same crop, flip and colours.
TEST(TrainTransform, BlursTheResultOfAllElse) {
  ImageConfig config;
  config.horizontal_flip_probability = 0.5;
  config.color_jitter = {0.8, 0.8, 0.8, 0.2};
  config.color_jitter_probability = 0.5;
  config.gray_scale_probability = 0.3;
  ImageConfig with_blur = config;
  with_blur.gaussian_blur_probability = 1.0;
  with_blur.gaussian_blur_sigma = {1.5, 1.5};
  const ImageU8 image = noise({40, 30});
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    ImageU8 expected = image_of(unnormalized(config, image, seed));
    gaussian_blur(expected, 1.5);
    EXPECT_EQ(image_of(unnormalized(with_blur, image, seed)).pixels, expected.pixels) << seed;
  }
}

TEST(TrainTransform, BlursAsOftenAsToldByADrawnSigma) {
  ImageConfig config;
  const ImageU8 image = noise({40, 30});
  ImageConfig with_blur = config;
  with_blur.gaussian_blur_probability = 0.2;
  with_blur.gaussian_blur_sigma = {0.5, 2.0};
  int blurred = 0;
  std::set<double> roughnesses;
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    const std::vector<float> plain = unnormalized(config, image, seed),
                             result = unnormalized(with_blur, image, seed);
    if (result == plain) continue;
    ++blurred;
    double before = 0.0, after = 0.0;
    for (std::size_t i = 1; i < plain.size(); ++i) {
      before += static_cast<double>(std::abs(plain[i] - plain[i - 1]));
      after += static_cast<double>(std::abs(result[i] - result[i - 1]));
    }
    EXPECT_LT(after, before) << seed;
    roughnesses.insert(std::round(20.0 * after / before));
  }
  EXPECT_NEAR(blurred, 100, 30);  // 3.4 deviations
  EXPECT_GT(roughnesses.size(), 5u);
}

// squash_size 6 equals the image's size, so every result is one of the nine 4 x 4 windows of the image
// itself.
TEST(TrainTransform, RandomCropReachesEveryWindowOfTheSquashedImage) {
  ImageConfig config;
  config.train_crop = TrainCrop::random_crop;
  config.squash_size = 6;
  config.mean = {0.0, 0.0, 0.0};
  config.std = {1.0, 1.0, 1.0};
  const TrainTransform transform(config, 4);
  const ImageU8 image = noise({6, 6});
  std::set<std::pair<int, int>> seen;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const std::vector<float> chw = run(transform, image, seed);
    for (int top = 0; top < 3; ++top) {
      for (int left = 0; left < 3; ++left) {
        bool equal = true;
        for (int i = 0; i < 16; ++i) {
          const std::uint8_t red = image.row(top + i / 4)[3 * (left + i % 4)];
          equal = equal && chw[static_cast<std::size_t>(i)] == static_cast<float>(red) / 255.0f;
        }
        if (equal) seen.emplace(top, left);
      }
    }
  }
  EXPECT_EQ(seen.size(), 9u);
}

TEST(TrainTransform, SquashSizeDefaultsToImageSizePlusASeventh) {
  ImageConfig config;
  config.train_crop = TrainCrop::random_crop;
  ImageConfig explicit_config = config;
  explicit_config.squash_size = 73;
  const ImageU8 image = noise({50, 90});
  EXPECT_EQ(run(TrainTransform(config, 64), image, 1), run(TrainTransform(explicit_config, 64), image, 1));
}

TEST(TrainTransform, RejectsASquashSizeBelowTheImageSize) {
  ImageConfig config;
  config.train_crop = TrainCrop::random_crop;
  config.squash_size = 60;
  testing::expect_user_error([&] { TrainTransform(config, 64); }, {"image.squash_size is 60", "64"});
}

TEST(EvalTransform, NormalisesAndFillsTheBorder) {
  ImageConfig config;
  config.resize_mode = ResizeMode::longest;
  config.fill_color = 255;
  config.mean = {0.5, 0.25, 0.0};
  config.std = {0.5, 0.5, 2.0};
  ImageU8 black = make_image({8, 16}, PixelMode::rgb);
  const std::vector<float> chw = run(EvalTransform(config, 8), black, 0);
  const std::array<float, 3> inside{-1.0f, -0.5f, 0.0f}, border{1.0f, 1.5f, 0.5f};
  for (std::size_t c = 0; c < 3; ++c) {
    for (std::size_t y = 0; y < 8; ++y) {
      EXPECT_EQ(chw[c * 64 + y * 8], y < 2 || y >= 6 ? border[c] : inside[c]) << c << " " << y;
    }
  }
}

TEST(ImageConfig, RejectsContradictingSettings) {
  const auto expect_error = [](auto change, std::initializer_list<std::string> parts) {
    ImageConfig config;
    change(config);
    testing::expect_user_error([&] { config.validate(); }, parts);
  };
  ImageConfig().validate();
  expect_error([](ImageConfig& c) { c.mean = {0.5}; }, {"image.mean has 1 value, needs 3"});
  expect_error([](ImageConfig& c) { c.crop_scale = {1.0, 0.5}; },
               {"image.crop_scale", "smaller value must come first"});
  expect_error([](ImageConfig& c) { c.crop_scale = {0.0, 0.5}; }, {"image.crop_scale"});
  expect_error([](ImageConfig& c) { c.squash_size = 73; },
               {"image.squash_size has no effect", "random_crop"});
  expect_error(
      [](ImageConfig& c) {
        c.train_crop = TrainCrop::evaluation;
        c.horizontal_flip_probability = 0.5;
      },
      {"image.horizontal_flip_probability is set", "evaluation is not random"});
  expect_error(
      [](ImageConfig& c) {
        c.train_crop = TrainCrop::evaluation;
        c.decode = Decoding::scaled;
      },
      {"image.decode is scaled", "decodes exactly"});
  expect_error(
      [](ImageConfig& c) {
        c.train_crop = TrainCrop::evaluation;
        c.gaussian_blur_probability = 0.5;
      },
      {"image.gaussian_blur_probability is set", "evaluation is not random"});
  expect_error([](ImageConfig& c) { c.gaussian_blur_sigma = {1.0}; },
               {"image.gaussian_blur_sigma has 1 value, needs 2"});
  expect_error([](ImageConfig& c) { c.gaussian_blur_sigma = {2.0, 0.1}; },
               {"image.gaussian_blur_sigma", "smaller value must come first"});
  expect_error([](ImageConfig& c) { c.gaussian_blur_sigma = {0.0, 0.1}; },
               {"image.gaussian_blur_sigma begins with 0"});
  expect_error([](ImageConfig& c) { c.color_jitter_probability = 0.8; }, {"image.color_jitter is empty"});
  expect_error([](ImageConfig& c) { c.color_jitter = {0.1, 0.1, 0.1, 0.1}; },
               {"color_jitter_probability is 0"});
  expect_error(
      [](ImageConfig& c) {
        c.color_jitter = {0.1, 0.1, 0.1, 0.7};
        c.color_jitter_probability = 0.5;
      },
      {"image.color_jitter", "[0, 0.5]"});
}

}  // namespace
}  // namespace cloob
