#include "cloob/image/resize.h"

#include <algorithm>
#include <cstring>

#include "cloob/base/error.h"
#include "image/pixel_modes.h"
#include "image/resample_axis.h"
#include "image/resample_kernels.h"

namespace cloob {
namespace {

bool contains(int begin, int length, int size) { return begin >= 0 && length >= 1 && begin <= size - length; }

void check_plan(const ImageU8& image, const ResizePlan& plan) {
  CLOOB_CHECK(contains(plan.crop.left, plan.crop.width, image.width) &&
                  contains(plan.crop.top, plan.crop.height, image.height),
              "the crop leaves the picture of {} x {}", image.width, image.height);
  CLOOB_CHECK(contains(plan.window.left, plan.window.width, plan.resized.width) &&
                  contains(plan.window.top, plan.window.height, plan.resized.height),
              "the window leaves the resized picture of {} x {}", plan.resized.width, plan.resized.height);
}

const std::uint8_t* crop_row(const ImageU8& image, const PixelBox& crop, int y) {
  return image.row(crop.top + y) + static_cast<std::ptrdiff_t>(crop.left) * image.channels();
}

bool keeps_size(const ResizePlan& plan) {
  return plan.resized == ImageSize{plan.crop.height, plan.crop.width};
}

// Memory that stays with its thread: a fresh buffer a picture would cost more page faults than arithmetic.
struct Scratch {
  std::vector<std::uint8_t> padded_row;
  std::vector<std::uint8_t>
      narrowed;  // the rows of the crop that the window needs, after the horizontal pass
  std::vector<std::int32_t> sums;
  std::vector<std::uint8_t> out_row;
};

std::span<std::uint8_t> grown(std::vector<std::uint8_t>& buffer, std::size_t size) {
  if (buffer.size() < size) buffer.resize(size);
  return std::span(buffer).first(size);
}

// Rows [first, end) of the crop with the horizontal pass done, `row_bytes` each.
std::span<const std::uint8_t> narrow_rows(const ImageU8& image, const ResizePlan& plan, int first, int end,
                                          Scratch& scratch) {
  const int channels = image.channels();
  const std::size_t row_bytes =
      static_cast<std::size_t>(plan.window.width) * static_cast<std::size_t>(channels);
  const std::span<std::uint8_t> narrowed =
      grown(scratch.narrowed, row_bytes * static_cast<std::size_t>(end - first) + kRowPadding);
  const bool same_width = plan.crop.width == plan.resized.width;
  const AxisWeights axis = axis_weights(plan.crop.width, plan.resized.width, plan.window.left,
                                        same_width ? 0 : plan.window.width, plan.filter);
  const std::size_t crop_bytes =
      static_cast<std::size_t>(plan.crop.width) * static_cast<std::size_t>(channels);
  const std::span<std::uint8_t> padded = grown(scratch.padded_row, crop_bytes + kRowPadding);
  for (int y = first; y < end; ++y) {
    std::uint8_t* out = narrowed.data() + static_cast<std::size_t>(y - first) * row_bytes;
    const std::uint8_t* in = crop_row(image, plan.crop, y);
    if (same_width) {
      std::memcpy(out, in + static_cast<std::ptrdiff_t>(plan.window.left) * channels, row_bytes);
    } else {
      std::memcpy(padded.data(), in, crop_bytes);
      resample_row(padded.data(), channels, axis, out);
    }
  }
  return narrowed.first(narrowed.size() - kRowPadding);
}

// Hands out rows in the picture's own mode.
void resample(const ImageU8& image, const ResizePlan& plan, const RowSink& sink) {
  thread_local Scratch scratch;
  const PixelBox& window = plan.window;
  const AxisWeights axis =
      axis_weights(plan.crop.height, plan.resized.height, window.top, window.height, plan.filter);
  const int first = axis.first_source();
  const std::span<const std::uint8_t> rows = narrow_rows(image, plan, first, axis.end_source(), scratch);
  const std::size_t row_bytes =
      static_cast<std::size_t>(window.width) * static_cast<std::size_t>(image.channels());
  if (scratch.sums.size() < row_bytes) scratch.sums.resize(row_bytes);
  const std::span<std::uint8_t> out = grown(scratch.out_row, row_bytes);
  for (int y = 0; y < window.height; ++y) {
    const auto i = static_cast<std::size_t>(y);
    const std::uint8_t* begin = rows.data() + static_cast<std::size_t>(axis.first[i] - first) * row_bytes;
    resample_column(begin, row_bytes, axis.weights_of(y), axis.count[i], row_bytes, scratch.sums.data(),
                    out.data());
    sink(y, out);
  }
}

void resample_nearest(const ImageU8& image, const ResizePlan& plan, const RowSink& sink) {
  const PixelBox& window = plan.window;
  const std::vector<int> columns =
      nearest_sources(plan.crop.width, plan.resized.width, window.left, window.width);
  const std::vector<int> rows =
      nearest_sources(plan.crop.height, plan.resized.height, window.top, window.height);
  std::vector<std::uint8_t> out(3 * columns.size());
  for (int y = 0; y < window.height; ++y) {
    const std::uint8_t* in = crop_row(image, plan.crop, rows[static_cast<std::size_t>(y)]);
    for (std::size_t x = 0; x < columns.size(); ++x) std::memcpy(&out[3 * x], in + 3 * columns[x], 3);
    sink(y, out);
  }
}

}  // namespace

ResizePlan resize_whole(ImageSize picture, ImageSize size, ResampleFilter filter) {
  return {{0, 0, picture.width, picture.height}, size, {0, 0, size.width, size.height}, filter};
}

void resize_rows(const ImageU8& image, const ResizePlan& plan, const RowSink& sink) {
  check_plan(image, plan);
  std::vector<std::uint8_t> rgb(3 * static_cast<std::size_t>(plan.window.width));
  const auto converting_sink = [&](auto convert) {
    return [&sink, &rgb, convert](int y, std::span<const std::uint8_t> row) {
      convert(row.data(), row.size() / 4, rgb.data());
      sink(y, rgb);
    };
  };
  switch (image.mode) {
    case PixelMode::rgb:
      return resample(image, plan, sink);
    case PixelMode::indexed:
      return resample_nearest(image, plan, sink);
    case PixelMode::rgba:
      // Pillow returns a copy when the size stays, without the rounding of a multiplication by alpha and
      // back.
      if (keeps_size(plan)) {
        return resample(image, plan,
                        converting_sink([](const std::uint8_t* pixels, std::size_t n, std::uint8_t* out) {
                          convert_to_rgb(pixels, n, PixelMode::rgba, out);
                        }));
      }
      return resample(premultiply_alpha(image), plan, converting_sink(unpremultiply_to_rgb));
    case PixelMode::cmyk:
      return resample(image, plan,
                      converting_sink([](const std::uint8_t* pixels, std::size_t n, std::uint8_t* out) {
                        convert_to_rgb(pixels, n, PixelMode::cmyk, out);
                      }));
  }
}

ImageU8 resize(const ImageU8& image, const ResizePlan& plan) {
  ImageU8 out = make_image({plan.window.height, plan.window.width}, PixelMode::rgb);
  resize_rows(image, plan, [&out](int y, std::span<const std::uint8_t> row) {
    std::memcpy(out.row(y), row.data(), row.size());
  });
  return out;
}

}  // namespace cloob
