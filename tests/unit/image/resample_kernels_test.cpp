#include "image/resample_kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace cloob {
namespace {

std::vector<std::uint8_t> random_bytes(std::size_t count, std::uint32_t seed) {
  std::mt19937 generator(seed);
  std::vector<std::uint8_t> bytes(count);
  // Mostly extreme values, which are the ones that overflow.
  for (std::uint8_t& byte : bytes) {
    const auto draw = static_cast<std::uint32_t>(generator());
    byte = static_cast<std::uint8_t>(draw % 3 == 0 ? 0 : draw % 3 == 1 ? 255 : draw >> 24);
  }
  return bytes;
}

struct Axis {
  int in_size, out_size, begin, num_outputs;
};

// The vectors contain exactly the readable bytes, so that the address sanitizer detects every access beyond
// them.
TEST(ResampleKernels, RowsEqualThePlainVersion) {
  constexpr Axis kAxes[] = {{1, 1, 0, 1},       {1, 7, 0, 7},       {5, 3, 1, 2},
                            {224, 224, 0, 224}, {213, 224, 0, 224}, {640, 224, 3, 9},
                            {2000, 3, 0, 3},    {3, 500, 0, 500},   {127, 64, 0, 64}};
  KernelScratch scratch;
  std::uint32_t seed = 0;
  for (const auto [in_size, out_size, begin, num_outputs] : kAxes) {
    for (const ResampleFilter filter : {ResampleFilter::bilinear, ResampleFilter::bicubic}) {
      for (const int channels : {3, 4}) {
        const AxisWeights axis = axis_weights(in_size, out_size, begin, num_outputs, filter);
        const auto row_bytes = static_cast<std::size_t>(in_size * channels);
        const auto out_bytes = static_cast<std::size_t>(num_outputs * channels);
        for (const std::size_t count : {1u, 2u, 5u}) {
          const std::size_t stride = row_bytes + 7 * (count - 1), out_stride = out_bytes + kOutputSlack;
          const auto bytes = random_bytes((count - 1) * stride + row_bytes, ++seed);
          const PixelRows rows{bytes, stride, row_bytes, count};
          std::vector<std::uint8_t> expected(out_bytes), actual(count * out_stride);
          RowResampler(axis, channels, scratch)(rows, actual.data(), out_stride);
          for (std::size_t y = 0; y < count; ++y) {
            resample_row_plain(rows.row(y), channels, axis, expected.data());
            ASSERT_TRUE(std::equal(expected.begin(), expected.end(), actual.data() + y * out_stride))
                << in_size << " to " << out_size << ", " << channels << " channels, row " << y << " of "
                << count;
          }
        }
      }
    }
  }
}

TEST(ResampleKernels, ColumnsEqualThePlainVersion) {
  KernelScratch scratch;
  std::uint32_t seed = 0;
  for (const std::size_t width : {1u, 15u, 31u, 32u, 33u, 63u, 672u}) {
    for (const Axis size :
         {Axis{1, 1, 0, 1}, Axis{480, 224, 0, 224}, Axis{7, 12, 0, 12}, Axis{900, 3, 0, 3}}) {
      const AxisWeights axis =
          axis_weights(size.in_size, size.out_size, 0, size.num_outputs, ResampleFilter::bicubic);
      const auto rows = random_bytes(width * static_cast<std::size_t>(size.in_size), ++seed);
      for (std::size_t output = 0; output < axis.first.size(); ++output) {
        const std::uint8_t* first = rows.data() + static_cast<std::size_t>(axis.first[output]) * width;
        std::vector<std::uint8_t> expected(width), actual(width);
        resample_column_plain(first, width, axis.weights_of(output), scratch, expected);
        resample_column(first, width, axis.weights_of(output), scratch, actual);
        ASSERT_EQ(actual, expected) << width << " bytes, output " << output << " of " << size.out_size;
      }
    }
  }
}

}  // namespace
}  // namespace cloob
