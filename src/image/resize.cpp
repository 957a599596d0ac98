#include "cloob/image/resize.h"

#include <ATen/ceil_div.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

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
              "the crop is outside the image of {} x {}", image.width, image.height);
  CLOOB_CHECK(contains(plan.window.left, plan.window.width, plan.resized.width) &&
                  contains(plan.window.top, plan.window.height, plan.resized.height),
              "the window is outside the resized image of {} x {}", plan.resized.width, plan.resized.height);
  CLOOB_CHECK(!plan.part || image.mode != PixelMode::indexed, "a partial crop of an indexed image");
}

std::size_t num_bytes(int pixels, const ImageU8& image) {
  return static_cast<std::size_t>(pixels) * static_cast<std::size_t>(image.channels());
}

// `count` rows of the crop, starting at its row `first` and column `left`, `width` pixels wide.
PixelRows crop_rows(const ImageU8& image, const PixelBox& crop, int first, int count, int left, int width) {
  const std::uint8_t* begin = image.row(crop.top + first) + num_bytes(crop.left + left, image);
  return {{begin, image.pixels.data() + image.pixels.size()},
          image.row_bytes(),
          num_bytes(width, image),
          static_cast<std::size_t>(count)};
}

bool keeps_width(const ResizePlan& plan) { return plan.crop.width == plan.resized.width && !plan.part; }

bool keeps_size(const ResizePlan& plan) {
  return keeps_width(plan) && plan.crop.height == plan.resized.height;
}

// Memory reused by its thread: with new buffers for each image, page faults would take longer than the
// arithmetic.
struct Scratch {
  KernelScratch kernels;
  std::vector<std::uint8_t> intermediate;  // output of the first pass
  std::vector<std::uint8_t> out_rows;
};

std::span<std::uint8_t> grown(std::vector<std::uint8_t>& buffer, std::size_t size) {
  if (buffer.size() < size) buffer.resize(size);
  return std::span(buffer).first(size);
}

// Pillow 13's rule for the cheaper order: vertical first when the height shrinks by more than twice as many
// pixels as the width. Earlier releases nearly always began with the horizontal pass, which rounds slightly
// differently.
bool vertical_pass_first(const ResizePlan& plan) {
  const int lost_rows = plan.crop.height - plan.resized.height;
  return lost_rows > 0 && lost_rows > 2 * (plan.crop.width - plan.resized.width);
}

AxisWeights column_weights(const ResizePlan& plan) {
  const auto [crop, resized, window, filter, mirrored, part] = plan;
  const AxisPart source{crop.width, part ? part->left : 0.0, part ? part->width : crop.width};
  AxisWeights columns = axis_weights(source, resized.width, window.left, window.width, filter);
  return mirrored ? reversed(std::move(columns)) : columns;
}

AxisWeights row_weights(const ResizePlan& plan) {
  const auto [crop, resized, window, filter, mirrored, part] = plan;
  const AxisPart source{crop.height, part ? part->top : 0.0, part ? part->height : crop.height};
  return axis_weights(source, resized.height, window.top, window.height, filter);
}

// Rows [first, end) of the crop after the horizontal pass.
PixelRows horizontal_pass(const ImageU8& image, const ResizePlan& plan, int first, int end,
                          Scratch& scratch) {
  const PixelBox& window = plan.window;
  if (keeps_width(plan) && !plan.mirrored) {  // columns are unchanged
    return crop_rows(image, plan.crop, first, end - first, window.left, window.width);
  }
  const AxisWeights columns = column_weights(plan);
  const PixelRows rows = crop_rows(image, plan.crop, first, end - first, 0, plan.crop.width);
  const std::size_t row_bytes = num_bytes(window.width, image);
  const std::size_t stride = row_bytes + kOutputSlack;
  const std::span<std::uint8_t> out = grown(scratch.intermediate, rows.count * stride);
  RowResampler(columns, image.channels(), scratch.kernels)(rows, out.data(), stride);
  return {out, stride, row_bytes, rows.count};
}

void resample_horizontal_first(const ImageU8& image, const ResizePlan& plan, const RowSink& sink,
                               Scratch& scratch) {
  const PixelBox& window = plan.window;
  const AxisWeights rows = row_weights(plan);
  const int first = rows.first_source();
  const PixelRows resampled = horizontal_pass(image, plan, first, rows.end_source(), scratch);
  const std::span<std::uint8_t> out = grown(scratch.out_rows, resampled.row_bytes);
  for (int y = 0; y < window.height; ++y) {
    const auto output = static_cast<std::size_t>(y);
    const auto source = static_cast<std::size_t>(rows.first[output] - first);
    resample_column(resampled.row(source).data(), resampled.stride, rows.weights_of(output), scratch.kernels,
                    out);
    sink(y, out);
  }
}

// Two rows at a time, because the horizontal pass processes rows in pairs.
void resample_vertical_first(const ImageU8& image, const ResizePlan& plan, const RowSink& sink,
                             Scratch& scratch) {
  const PixelBox& window = plan.window;
  const AxisWeights rows = row_weights(plan);
  AxisWeights columns = column_weights(plan);
  const int first = columns.first_source();
  const int width = columns.end_source() - first;
  for (int& column : columns.first) column -= first;
  RowResampler resample_rows(columns, image.channels(), scratch.kernels);
  const std::size_t source_bytes = num_bytes(width, image), row_bytes = num_bytes(window.width, image);
  const std::size_t stride = row_bytes + kOutputSlack;
  const std::span<std::uint8_t> resampled = grown(scratch.intermediate, 2 * source_bytes);
  const std::span<std::uint8_t> out = grown(scratch.out_rows, 2 * stride);
  for (int y = 0; y < window.height; y += 2) {
    const auto count = static_cast<std::size_t>(std::min(2, window.height - y));
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t output = static_cast<std::size_t>(y) + i;
      const PixelRows source =
          crop_rows(image, plan.crop, rows.first[output], rows.count[output], first, width);
      resample_column(source.bytes.data(), source.stride, rows.weights_of(output), scratch.kernels,
                      resampled.subspan(i * source_bytes, source_bytes));
    }
    resample_rows({resampled, source_bytes, source_bytes, count}, out.data(), stride);
    for (std::size_t i = 0; i < count; ++i) sink(y + static_cast<int>(i), out.subspan(i * stride, row_bytes));
  }
}

// Emits rows in the image's own mode.
void resample(const ImageU8& image, const ResizePlan& plan, const RowSink& sink) {
  thread_local Scratch scratch;
  const auto run = vertical_pass_first(plan) ? resample_vertical_first : resample_horizontal_first;
  run(image, plan, sink, scratch);
}

void resample_nearest(const ImageU8& image, const ResizePlan& plan, const RowSink& sink) {
  const PixelBox& window = plan.window;
  std::vector<int> columns = nearest_sources(plan.crop.width, plan.resized.width, window.left, window.width);
  if (plan.mirrored) std::ranges::reverse(columns);
  const std::vector<int> rows =
      nearest_sources(plan.crop.height, plan.resized.height, window.top, window.height);
  std::vector<std::uint8_t> out(3 * columns.size());
  for (int y = 0; y < window.height; ++y) {
    const std::uint8_t* in =
        image.row(plan.crop.top + rows[static_cast<std::size_t>(y)]) + 3 * plan.crop.left;
    for (std::size_t x = 0; x < columns.size(); ++x) std::memcpy(&out[3 * x], in + 3 * columns[x], 3);
    sink(y, out);
  }
}

}  // namespace

ResizePlan resize_whole(ImageSize image, ImageSize size, ResampleFilter filter) {
  return {{0, 0, image.width, image.height}, size, {0, 0, size.width, size.height}, filter};
}

int largest_reduction(const ResizePlan& plan) {
  for (const int reduction : {8, 4, 2}) {
    if (plan.crop.width >= reduction * plan.resized.width &&
        plan.crop.height >= reduction * plan.resized.height) {
      return reduction;
    }
  }
  return 1;
}

ResizePlan on_reduced_image(ResizePlan plan, int reduction) {
  if (reduction == 1) return plan;
  // The crop of the reduced image consists of all pixels that overlap the part.
  const PixelBox crop = plan.crop;
  const auto round_down = [&](int border) { return border / reduction; };
  const auto round_up = [&](int border) { return at::ceil_div(border, reduction); };
  const int left = round_down(crop.left), top = round_down(crop.top);
  plan.crop = {left, top, round_up(crop.left + crop.width) - left, round_up(crop.top + crop.height) - top};
  const double scale = 1.0 / reduction;
  plan.part = {crop.left * scale - left, crop.top * scale - top, crop.width * scale, crop.height * scale};
  return plan;
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
      // Pillow returns a copy when the size does not change, without the rounding of premultiplied alpha.
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
