// The inner loops of resampling: plain C++, and faster AVX2 versions with the same results.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "image/resample_avx2.h"
#include "image/resample_axis.h"

namespace cloob {

/// Scratch memory of the two passes, reused between images.
struct KernelScratch {
  std::vector<std::uint8_t> upper_row, lower_row;
  std::vector<std::int32_t> sums;
  PackedAxis axis;
};

/// Bytes after an output row that may be overwritten.
inline constexpr std::size_t kOutputSlack = 16;

/// Rows of interleaved bytes, `stride` bytes apart.
struct PixelRows {
  std::span<const std::uint8_t> bytes;  ///< from the first pixel of the first row to the last readable byte
  std::size_t stride;
  std::size_t row_bytes;
  std::size_t count;

  std::span<const std::uint8_t> row(std::size_t y) const { return bytes.subspan(y * stride, row_bytes); }
};

/// The horizontal pass along one axis, prepared for many rows of `channels` (3 or 4) bytes per pixel. `axis`
/// and `scratch` must outlive it, and `scratch` must not be used by anything else.
class RowResampler {
 public:
  RowResampler(const AxisWeights& axis, int channels, KernelScratch& scratch);
  /// out[x] = sum of weight x row[first + tap], for each row. The rows of `out` are `out_stride` bytes apart;
  /// kOutputSlack bytes after each of them may be overwritten.
  void operator()(const PixelRows& rows, std::uint8_t* out, std::size_t out_stride);

 private:
  const AxisWeights& axis_;
  int channels_;
  KernelScratch& scratch_;
};

/// The vertical pass for one output row: the weighted sum of rows `stride` bytes apart, one per weight.
void resample_column(const std::uint8_t* rows, std::size_t stride, std::span<const std::int32_t> weights,
                     KernelScratch& scratch, std::span<std::uint8_t> out);

// The plain versions of both, used where AVX2 is not available.
void resample_row_plain(std::span<const std::uint8_t> row, int channels, const AxisWeights& axis,
                        std::uint8_t* out);
void resample_column_plain(const std::uint8_t* rows, std::size_t stride,
                           std::span<const std::int32_t> weights, KernelScratch& scratch,
                           std::span<std::uint8_t> out);

}  // namespace cloob
