#include "image/resample_kernels.h"

#include <algorithm>
#include <cstring>

#include "image/avx2.h"
#include "image/resample_avx2.h"

namespace cloob {
namespace {

constexpr std::int32_t kHalf = 1 << (kWeightBits - 1);

std::uint8_t to_byte(std::int32_t sum) {
  return static_cast<std::uint8_t>(std::clamp(sum >> kWeightBits, 0, 255));
}

void resample_rows_plain(const PixelRows& rows, int channels, const AxisWeights& axis, std::uint8_t* out,
                         std::size_t out_stride) {
  for (std::size_t y = 0; y < rows.count; ++y) {
    resample_row_plain(rows.row(y), channels, axis, out + y * out_stride);
  }
}

#if CLOOB_HAS_AVX2_KERNELS
// Row `y`, copied to a buffer if fewer than kRowSlack readable bytes follow it.
const std::uint8_t* with_slack(const PixelRows& rows, std::size_t y, std::vector<std::uint8_t>& buffer) {
  const std::span<const std::uint8_t> row = rows.row(y);
  if (y * rows.stride + row.size() + kRowSlack <= rows.bytes.size()) return row.data();
  if (buffer.size() < row.size() + kRowSlack) buffer.resize(row.size() + kRowSlack);
  std::memcpy(buffer.data(), row.data(), row.size());
  return buffer.data();
}
#endif

}  // namespace

#if CLOOB_HAS_AVX2_KERNELS
RowResampler::RowResampler(const AxisWeights& axis, int channels, KernelScratch& scratch)
    : axis_(axis), channels_(channels), scratch_(scratch) {
  if (has_avx2()) pack_axis(axis, channels, scratch.axis);
}

void RowResampler::operator()(const PixelRows& rows, std::uint8_t* out, std::size_t out_stride) {
  if (!has_avx2()) return resample_rows_plain(rows, channels_, axis_, out, out_stride);
  for (std::size_t y = 0; y < rows.count; y += 2) {
    const std::size_t below = std::min(y + 1, rows.count - 1);
    const std::uint8_t* upper = with_slack(rows, y, scratch_.upper_row);
    const std::uint8_t* lower = with_slack(rows, below, scratch_.lower_row);
    resample_two_rows_avx2(upper, lower, channels_, scratch_.axis, out + y * out_stride,
                           out + below * out_stride);
  }
}

void resample_column(const std::uint8_t* rows, std::size_t stride, std::span<const std::int32_t> weights,
                     KernelScratch& scratch, std::span<std::uint8_t> out) {
  if (!has_avx2() || out.size() < kMinColumnBytes) {
    return resample_column_plain(rows, stride, weights, scratch, out);
  }
  resample_column_avx2(rows, stride, weights, scratch.sums, out);
}
#else
RowResampler::RowResampler(const AxisWeights& axis, int channels, KernelScratch& scratch)
    : axis_(axis), channels_(channels), scratch_(scratch) {}

void RowResampler::operator()(const PixelRows& rows, std::uint8_t* out, std::size_t out_stride) {
  resample_rows_plain(rows, channels_, axis_, out, out_stride);
}

void resample_column(const std::uint8_t* rows, std::size_t stride, std::span<const std::int32_t> weights,
                     KernelScratch& scratch, std::span<std::uint8_t> out) {
  resample_column_plain(rows, stride, weights, scratch, out);
}
#endif

void resample_row_plain(std::span<const std::uint8_t> row, int channels, const AxisWeights& axis,
                        std::uint8_t* out) {
  for (std::size_t output = 0; output < axis.first.size(); ++output) {
    const std::uint8_t* pixel = row.data() + axis.first[output] * channels;
    for (int channel = 0; channel < channels; ++channel) {
      std::int32_t sum = kHalf;
      const std::uint8_t* in = pixel + channel;
      for (const std::int32_t weight : axis.weights_of(output)) {
        sum += *in * weight;
        in += channels;
      }
      *out++ = to_byte(sum);
    }
  }
}

void resample_column_plain(const std::uint8_t* rows, std::size_t stride,
                           std::span<const std::int32_t> weights, KernelScratch& scratch,
                           std::span<std::uint8_t> out) {
  std::vector<std::int32_t>& sums = scratch.sums;
  sums.assign(out.size(), kHalf);
  for (const std::int32_t weight : weights) {
    for (std::size_t i = 0; i < out.size(); ++i) sums[i] += rows[i] * weight;
    rows += stride;
  }
  std::transform(sums.begin(), sums.end(), out.begin(), to_byte);
}

}  // namespace cloob
