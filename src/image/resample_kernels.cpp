#include "image/resample_kernels.h"

#include <algorithm>
#include <cstring>

#include "image/resample_avx2.h"

namespace cloob {
namespace {

constexpr std::int32_t kHalf = 1 << (kWeightBits - 1);

std::uint8_t to_byte(std::int32_t sum) {
  return static_cast<std::uint8_t>(std::clamp(sum >> kWeightBits, 0, 255));
}

#if CLOOB_HAS_AVX2_KERNELS
bool has_avx2() {
  static const bool has = __builtin_cpu_supports("avx2") != 0;
  return has;
}

const std::uint8_t* with_slack(std::span<const std::uint8_t> row, std::vector<std::uint8_t>& buffer) {
  if (buffer.size() < row.size() + kRowSlack) buffer.resize(row.size() + kRowSlack);
  std::memcpy(buffer.data(), row.data(), row.size());
  return buffer.data();
}
#endif

}  // namespace

#if CLOOB_HAS_AVX2_KERNELS
RowResampler::RowResampler(const AxisWeights& axis, int channels, KernelScratch& scratch)
    : axis_(axis), channels_(channels), scratch_(scratch) {
  if (has_avx2()) pack_weights(axis, scratch.weights);
}

void RowResampler::operator()(std::span<const std::uint8_t> row, std::uint8_t* out) {
  if (!has_avx2()) return resample_row_plain(row, channels_, axis_, out);
  resample_row_avx2(with_slack(row, scratch_.row), channels_, axis_, scratch_.weights.data(), out);
}

void resample_column(const std::uint8_t* rows, std::size_t stride, std::span<const std::int32_t> weights,
                     KernelScratch& scratch, std::span<std::uint8_t> out) {
  constexpr std::size_t kFewestBytes = 16;
  if (!has_avx2() || out.size() < kFewestBytes) {
    return resample_column_plain(rows, stride, weights, scratch, out);
  }
  resample_column_avx2(rows, stride, weights, scratch.sums, out);
}
#else
RowResampler::RowResampler(const AxisWeights& axis, int channels, KernelScratch& scratch)
    : axis_(axis), channels_(channels), scratch_(scratch) {}

void RowResampler::operator()(std::span<const std::uint8_t> row, std::uint8_t* out) {
  resample_row_plain(row, channels_, axis_, out);
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
