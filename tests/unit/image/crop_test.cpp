#include "cloob/image/crop.h"

#include <gtest/gtest.h>

#include "cloob/base/random.h"

namespace cloob {
namespace {

constexpr CropRanges kDefault{0.9, 1.0, 3.0 / 4.0, 4.0 / 3.0};

struct CropStatistics {
  double mean_area = 0.0;
  double full_fraction = 0.0;  // of draws that cover the entire image
};

CropStatistics draw_crops(ImageSize image) {
  RandomStream stream(RandomUse::augmentation, {3});
  CropStatistics statistics;
  constexpr int kDraws = 20'000;
  for (int i = 0; i < kDraws; ++i) {
    const PixelBox box = random_resized_crop_box(image, kDefault, [&] { return stream.uniform(); });
    EXPECT_GE(box.left, 0);
    EXPECT_GE(box.top, 0);
    EXPECT_LE(box.left + box.width, image.width);
    EXPECT_LE(box.top + box.height, image.height);
    const bool is_full = box.width == image.width && box.height == image.height;
    statistics.full_fraction += is_full / static_cast<double>(kDraws);
    statistics.mean_area +=
        box.width * static_cast<double>(box.height) / (image.width * image.height) / kDraws;
  }
  return statistics;
}

TEST(RandomResizedCrop, CoversTheSameFractionAsTorchvision) {
  const CropStatistics square = draw_crops({224, 224});
  EXPECT_NEAR(square.mean_area, 0.942, 0.003);
  EXPECT_NEAR(square.full_fraction, 0.11, 0.01);
  const CropStatistics wide = draw_crops({384, 512});
  EXPECT_NEAR(wide.mean_area, 0.958, 0.003);
  EXPECT_NEAR(wide.full_fraction, 0.372, 0.02);
}

TEST(RandomResizedCrop, CentersTheBoxInImagesThatAreTooWideOrTooTall) {
  RandomStream stream(RandomUse::augmentation, {4});
  const UniformSource uniform = [&] { return stream.uniform(); };
  EXPECT_EQ(random_resized_crop_box({341, 512}, kDefault, uniform), (PixelBox{28, 0, 455, 341}));
  EXPECT_EQ(random_resized_crop_box({288, 512}, kDefault, uniform), (PixelBox{64, 0, 384, 288}));
  EXPECT_EQ(random_resized_crop_box({512, 288}, kDefault, uniform), (PixelBox{0, 64, 288, 384}));
}

TEST(RandomResizedCrop, ReachesEveryPosition) {
  RandomStream stream(RandomUse::augmentation, {5});
  const CropRanges quarter{0.25, 0.25, 1.0, 1.0};
  std::array<std::array<int, 5>, 5> seen{};
  for (int i = 0; i < 2500; ++i) {
    const PixelBox box = random_resized_crop_box({8, 8}, quarter, [&] { return stream.uniform(); });
    ASSERT_EQ(box.width, 4);
    ++seen.at(static_cast<std::size_t>(box.top)).at(static_cast<std::size_t>(box.left));
  }
  for (const auto& row : seen) {
    for (const int count : row) EXPECT_NEAR(count, 100, 45);
  }
}

TEST(EvalPlacement, ShortestTruncatesTheLongSideAndRoundsTheOffsetToEven) {
  const auto place = [](ImageSize image, int size) {
    return eval_placement(image, size, ResizeMode::shortest, ResampleFilter::bicubic).plan;
  };
  EXPECT_EQ(place({427, 640}, 224).resized, (ImageSize{224, 335}));       // 335.7
  EXPECT_EQ(place({427, 640}, 224).window, (PixelBox{56, 0, 224, 224}));  // 55.5 -> 56
  EXPECT_EQ(place({229, 224}, 224).window, (PixelBox{0, 2, 224, 224}));   // 2.5 -> 2
  EXPECT_EQ(place({10, 30'000}, 224).resized, (ImageSize{224, 672'000}));
}

TEST(EvalPlacement, LongestCentresAndKeepsAtLeastOnePixel) {
  const EvalPlacement wide = eval_placement({100, 200}, 33, ResizeMode::longest, ResampleFilter::bicubic);
  EXPECT_EQ(wide.plan.resized, (ImageSize{16, 33}));  // 16.5 -> 16
  EXPECT_EQ(wide.left, 0);
  EXPECT_EQ(wide.top, 8);
  const EvalPlacement thin = eval_placement({320, 3}, 13, ResizeMode::longest, ResampleFilter::bicubic);
  EXPECT_EQ(thin.plan.resized, (ImageSize{13, 1}));
  EXPECT_EQ(thin.left, 6);
}

}  // namespace
}  // namespace cloob
