// The inner loops of resampling: plain C++, and for processors with AVX2 faster ones with the same results.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "image/resample_avx2.h"
#include "image/resample_axis.h"

namespace cloob {

/// Memory of the two passes, kept from one picture to the next.
struct KernelScratch {
  std::vector<std::uint8_t> upper_row, lower_row;
  std::vector<std::int32_t> sums;
  PackedAxis axis;
};

/// Bytes behind an output row that may be overwritten.
inline constexpr std::size_t kOutputSlack = 16;

/// Rows of interleaved bytes, `stride` bytes apart.
struct PixelRows {
  std::span<const std::uint8_t>
      bytes;  ///< from the first pixel of the first row to the end of what may be read
  std::size_t stride;
  std::size_t row_bytes;
  std::size_t count;

  std::span<const std::uint8_t> row(std::size_t y) const { return bytes.subspan(y * stride, row_bytes); }
};

/// The horizontal pass along one axis, prepared for many rows of `channels` (3 or 4) bytes a pixel. Needs
/// `axis` and `scratch` while it lives, and the scratch for itself.
class RowResampler {
 public:
  RowResampler(const AxisWeights& axis, int channels, KernelScratch& scratch);
  /// out[x] = sum of weight x row[first + tap], for each row. The rows of `out` lie `out_stride` bytes apart;
  /// behind each of them kOutputSlack bytes may be overwritten.
  void operator()(const PixelRows& rows, std::uint8_t* out, std::size_t out_stride);

 private:
  const AxisWeights& axis_;
  int channels_;
  KernelScratch& scratch_;
};

/// The vertical pass for one output row: the weighted sum of rows that lie `stride` bytes apart, one for each
/// weight.
void resample_column(const std::uint8_t* rows, std::size_t stride, std::span<const std::int32_t> weights,
                     KernelScratch& scratch, std::span<std::uint8_t> out);

// The plain versions of both, which run where the others cannot.
void resample_row_plain(std::span<const std::uint8_t> row, int channels, const AxisWeights& axis,
                        std::uint8_t* out);
void resample_column_plain(const std::uint8_t* rows, std::size_t stride,
                           std::span<const std::int32_t> weights, KernelScratch& scratch,
                           std::span<std::uint8_t> out);

}  // namespace cloob
