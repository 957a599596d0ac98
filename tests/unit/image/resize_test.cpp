#include "cloob/image/resize.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "cloob/base/random.h"
#include "cloob/image/decode.h"
#include "image/resample_kernels.h"

namespace cloob {
namespace {

ImageU8 noise(ImageSize size, PixelMode mode) {
  ImageU8 image = make_image(size, mode);
  RandomStream stream(RandomUse::synthetic_data, {7});
  for (std::uint8_t& value : image.pixels) value = static_cast<std::uint8_t>(stream.below(256));
  return image;
}

ImageU8 grey_row(std::initializer_list<std::uint8_t> levels) {
  ImageU8 image{1, static_cast<int>(levels.size()), {}};
  for (const std::uint8_t level : levels) image.pixels.insert(image.pixels.end(), 3, level);
  return image;
}

std::vector<int> resized_row(std::initializer_list<std::uint8_t> levels, int width, ResampleFilter filter) {
  const ImageU8 image = grey_row(levels);
  const ImageU8 out = resize(image, resize_whole(image.size(), {1, width}, filter));
  std::vector<int> row;
  for (std::size_t i = 0; i < out.pixels.size(); i += 3) row.push_back(out.pixels[i]);
  return row;
}

TEST(Resize, WeightsNeighboursByTheStretchedTriangle) {
  // Halving: the triangle covers two pixels on each side of a centre between pixels; weights 1, 3, 3, 1,
  // truncated and normalised at the border.
  EXPECT_EQ(resized_row({0, 70, 70, 0}, 2, ResampleFilter::bilinear), (std::vector<int>{40, 40}));
  // Doubling: the nearer pixel has a weight of three quarters.
  EXPECT_EQ(resized_row({0, 100}, 4, ResampleFilter::bilinear), (std::vector<int>{0, 25, 75, 100}));
}

TEST(Resize, ClampsCubicOvershoots) {
  EXPECT_EQ(resized_row({255, 255, 0, 0}, 8, ResampleFilter::bicubic),
            (std::vector<int>{255, 255, 255, 203, 52, 0, 0, 0}));
}

TEST(Resize, KeepsAFlatImageFlat) {
  ImageU8 flat = make_image({37, 51}, PixelMode::rgb);
  std::ranges::fill(flat.pixels, std::uint8_t{91});
  for (const ImageSize size : {ImageSize{5, 90}, ImageSize{90, 5}, ImageSize{11, 11}, ImageSize{1, 1}}) {
    const ImageU8 out = resize(flat, resize_whole(flat.size(), size, ResampleFilter::bicubic));
    EXPECT_TRUE(std::ranges::all_of(out.pixels, [](int level) { return level == 91; })) << size.height;
  }
}

TEST(Resize, IsACopyWhenTheSizeDoesNotChange) {
  const ImageU8 image = noise({13, 17}, PixelMode::rgb);
  EXPECT_EQ(resize(image, resize_whole(image.size(), image.size(), ResampleFilter::bicubic)).pixels,
            image.pixels);
}

TEST(Resize, MirrorsInEveryMode) {
  for (const PixelMode mode : {PixelMode::rgb, PixelMode::indexed, PixelMode::rgba, PixelMode::cmyk}) {
    for (const ImageSize size : {ImageSize{12, 40}, ImageSize{50, 16}, ImageSize{1, 30}, ImageSize{40, 30}}) {
      const ImageU8 image = noise({40, 30}, mode);
      ResizePlan plan = resize_whole(image.size(), size, ResampleFilter::bicubic);
      const ImageU8 original = resize(image, plan);
      plan.mirrored = true;
      const ImageU8 mirrored = resize(image, plan);
      for (int y = 0; y < size.height; ++y) {
        for (int x = 0; x < size.width; ++x) {
          ASSERT_TRUE(std::equal(mirrored.row(y) + 3 * x, mirrored.row(y) + 3 * x + 3,
                                 original.row(y) + 3 * (size.width - 1 - x)))
              << size.height << " row " << y << " column " << x;
        }
      }
    }
  }
}

// A window must contain exactly the pixels of the full result, in every mode and in both orders of the
// passes.
TEST(Resize, WindowIsPartOfTheFullResult) {
  for (const PixelMode mode : {PixelMode::rgb, PixelMode::indexed, PixelMode::rgba, PixelMode::cmyk}) {
    for (const ImageSize size : {ImageSize{12, 40}, ImageSize{50, 16}, ImageSize{33, 21}}) {
      const ImageU8 image = noise({40, 30}, mode);
      ResizePlan plan = resize_whole(image.size(), size, ResampleFilter::bicubic);
      const ImageU8 full = resize(image, plan);
      plan.window = {3, 2, 9, 7};
      const ImageU8 part = resize(image, plan);
      for (int y = 0; y < 7; ++y) {
        ASSERT_TRUE(std::equal(part.row(y), part.row(y) + 27, full.row(y + 2) + 9))
            << size.height << " row " << y;
      }
    }
  }
}

TEST(Resize, IgnoresPixelsOutsideTheCrop) {
  ImageU8 image = noise({20, 20}, PixelMode::rgb);
  ResizePlan plan{{5, 6, 8, 9}, {31, 4}, {0, 0, 4, 31}, ResampleFilter::bicubic};
  const ImageU8 before = resize(image, plan);
  for (int y = 0; y < 20; ++y) {
    for (int x = 0; x < 20; ++x) {
      if (x < 5 || x >= 13 || y < 6 || y >= 15) std::fill_n(image.row(y) + 3 * x, 3, std::uint8_t{0});
    }
  }
  EXPECT_EQ(resize(image, plan).pixels, before.pixels);
}

// Reference implementation for RGB and CMYK: two passes of the plain kernels over entire images, rounded in
// between.
ImageU8 reference_resize(const ImageU8& image, const ResizePlan& plan) {
  const auto channels = static_cast<std::size_t>(image.channels());
  const auto [crop, size, window, filter, mirrored, no_part] = plan;
  const AxisWeights columns = axis_weights(crop.width, size.width, 0, size.width, filter);
  const AxisWeights rows = axis_weights(crop.height, size.height, 0, size.height, filter);
  KernelScratch scratch;
  ImageU8 cropped = make_image({crop.height, crop.width}, image.mode);
  for (int y = 0; y < crop.height; ++y) {
    std::copy_n(image.row(crop.top + y) + static_cast<std::size_t>(crop.left) * channels, cropped.row_bytes(),
                cropped.row(y));
  }
  const auto horizontal_pass = [&](const ImageU8& in) {
    ImageU8 out = make_image({in.height, size.width}, in.mode);
    for (int y = 0; y < in.height; ++y) {
      resample_row_plain({in.row(y), in.row_bytes()}, in.channels(), columns, out.row(y));
    }
    return out;
  };
  const auto vertical_pass = [&](const ImageU8& in) {
    ImageU8 out = make_image({size.height, in.width}, in.mode);
    for (int y = 0; y < size.height; ++y) {
      const auto output = static_cast<std::size_t>(y);
      resample_column_plain(in.row(rows.first[output]), in.row_bytes(), rows.weights_of(output), scratch,
                            {out.row(y), out.row_bytes()});
    }
    return out;
  };
  const int lost_rows = crop.height - size.height;
  const bool vertical_first = lost_rows > 0 && lost_rows > 2 * (crop.width - size.width);
  const ImageU8 full =
      vertical_first ? horizontal_pass(vertical_pass(cropped)) : vertical_pass(horizontal_pass(cropped));
  ImageU8 visible = make_image({window.height, window.width}, image.mode);
  for (int y = 0; y < window.height; ++y) {
    std::copy_n(full.row(window.top + y) + static_cast<std::size_t>(window.left) * channels,
                visible.row_bytes(), visible.row(y));
  }
  ImageU8 rgb = to_rgb(std::move(visible));
  for (int y = 0; mirrored && y < rgb.height; ++y) {
    for (int x = 0; x < rgb.width / 2; ++x) {
      std::swap_ranges(rgb.row(y) + 3 * x, rgb.row(y) + 3 * x + 3, rgb.row(y) + 3 * (rgb.width - 1 - x));
    }
  }
  return rgb;
}

TEST(Resize, EqualsTheReferenceForRandomPlans) {
  RandomStream random(RandomUse::synthetic_data, {9});
  const auto draw = [&](int low, int high) {
    return low + static_cast<int>(random.below(static_cast<std::uint64_t>(high - low + 1)));
  };
  for (int trial = 0; trial < 400; ++trial) {
    const ImageU8 image =
        noise({draw(1, 70), draw(1, 70)}, trial % 3 == 0 ? PixelMode::cmyk : PixelMode::rgb);
    ResizePlan plan = resize_whole(image.size(), {draw(1, 50), draw(1, 50)},
                                   trial % 2 == 0 ? ResampleFilter::bilinear : ResampleFilter::bicubic);
    const auto draw_range = [&](int size, int& begin, int& length) {
      length = draw(1, size);
      begin = draw(0, size - length);
    };
    draw_range(image.width, plan.crop.left, plan.crop.width);
    draw_range(image.height, plan.crop.top, plan.crop.height);
    draw_range(plan.resized.width, plan.window.left, plan.window.width);
    draw_range(plan.resized.height, plan.window.top, plan.window.height);
    plan.mirrored = trial % 5 == 0;
    ASSERT_EQ(resize(image, plan).pixels, reference_resize(image, plan).pixels) << "trial " << trial;
  }
}

TEST(Resize, TransparentColorsDoNotBleed) {
  ImageU8 image{
      1, 2, {200, 0, 0, 255, 0, 0, 250, 0}, PixelMode::rgba};  // opaque red next to transparent blue
  const ImageU8 out = resize(image, resize_whole(image.size(), {1, 1}, ResampleFilter::bilinear));
  EXPECT_EQ(out.pixels, (std::vector<std::uint8_t>{199, 0, 0}));
}

TEST(Reduction, KeepsTheCropAtLeastAsLargeAsTheResult) {
  const auto reduction_of = [](int width, int height, ImageSize resized) {
    return largest_reduction({{3, 5, width, height}, resized, {0, 0, 1, 1}, ResampleFilter::bicubic});
  };
  EXPECT_EQ(reduction_of(447, 448, {224, 224}), 1);
  EXPECT_EQ(reduction_of(448, 448, {224, 224}), 2);
  EXPECT_EQ(reduction_of(5000, 895, {224, 224}), 2);
  EXPECT_EQ(reduction_of(896, 896, {224, 224}), 4);
  EXPECT_EQ(reduction_of(1792, 1793, {224, 224}), 8);
  EXPECT_EQ(reduction_of(100000, 100000, {10, 10}), 8);
  EXPECT_EQ(reduction_of(448, 224, {100, 224}), 2);
}

TEST(Reduction, KeepsTheCropWithSubpixelAccuracy) {
  RandomStream random(RandomUse::synthetic_data, {6});
  const auto draw = [&](int low, int high) {
    return low + static_cast<int>(random.below(static_cast<std::uint64_t>(high - low + 1)));
  };
  for (int trial = 0; trial < 2000; ++trial) {
    const ImageSize full{draw(1, 300), draw(1, 300)};
    const int reduction = 2 << draw(0, 2);
    ResizePlan plan = resize_whole(full, {4, 4}, ResampleFilter::bilinear);
    plan.crop.width = draw(1, full.width);
    plan.crop.left = draw(0, full.width - plan.crop.width);
    plan.crop.height = draw(1, full.height);
    plan.crop.top = draw(0, full.height - plan.crop.height);
    const ResizePlan reduced = on_reduced_image(plan, reduction);
    const PixelBox box = reduced.crop;
    const FractionalBox part = reduced.part.value();
    EXPECT_EQ((box.left + part.left) * reduction, plan.crop.left);
    EXPECT_EQ((box.top + part.top) * reduction, plan.crop.top);
    EXPECT_EQ(part.width * reduction, plan.crop.width);
    EXPECT_EQ(part.height * reduction, plan.crop.height);
    // Exactly the pixels that overlap the part, none outside the reduced image.
    ASSERT_TRUE(part.left >= 0.0 && part.left < 1.0 && part.top >= 0.0 && part.top < 1.0);
    ASSERT_EQ(box.width, std::ceil(part.left + part.width));
    ASSERT_EQ(box.height, std::ceil(part.top + part.height));
    ASSERT_LE(box.left + box.width, (full.width + reduction - 1) / reduction);
    ASSERT_LE(box.top + box.height, (full.height + reduction - 1) / reduction);
  }
}

// On a ramp of ten levels per pixel, an output shows the position of its centre, except for the outermost
// ones, which are affected by the border.
TEST(Resize, SupportsPartsWithBordersInsidePixels) {
  ImageU8 across = make_image({1, 24}, PixelMode::rgb), down = make_image({24, 1}, PixelMode::rgb);
  for (int i = 0; i < 24; ++i) {
    std::fill_n(across.row(0) + 3 * i, 3, static_cast<std::uint8_t>(10 * i));
    std::fill_n(down.row(i), 3, static_cast<std::uint8_t>(10 * i));
  }
  ResizePlan plan = resize_whole({8, 192}, {1, 6}, ResampleFilter::bilinear);
  plan.crop = {13, 0, 163, 8};
  const ImageU8 row = resize(across, on_reduced_image(plan, 8));
  plan = resize_whole({192, 8}, {6, 1}, ResampleFilter::bilinear);
  plan.crop = {0, 13, 8, 163};
  const ImageU8 column = resize(down, on_reduced_image(plan, 8));
  for (int i = 1; i < 5; ++i) {
    const double center = 13 / 8.0 + (i + 0.5) * (163 / 8.0) / 6;
    EXPECT_NEAR(row.row(0)[3 * i], 10 * (center - 0.5), 1.0) << i;
    EXPECT_EQ(column.row(i)[0], row.row(0)[3 * i]) << i;
  }
}

TEST(Resize, APartThatCoversTheCropChangesNothing) {
  for (const PixelMode mode : {PixelMode::rgb, PixelMode::rgba}) {
    const ImageU8 image = noise({23, 31}, mode);
    for (const ImageSize size : {ImageSize{9, 40}, ImageSize{40, 9}, ImageSize{5, 31}}) {
      ResizePlan plan = resize_whole(image.size(), size, ResampleFilter::bicubic);
      const ImageU8 full = resize(image, plan);
      plan.part = FractionalBox{0.0, 0.0, 31.0, 23.0};
      EXPECT_EQ(resize(image, plan).pixels, full.pixels) << size.width;
    }
  }
}

}  // namespace
}  // namespace cloob
