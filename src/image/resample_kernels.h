// The inner loops of resampling: plain C++, and for processors with AVX2 faster ones with the same results.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "image/resample_axis.h"

namespace cloob {

/// Memory of the two passes, kept from one picture to the next.
struct KernelScratch {
  std::vector<std::uint8_t> row;
  std::vector<std::int32_t> sums;
  std::vector<std::int32_t> weights;
};

/// Bytes behind an output that may be overwritten.
inline constexpr std::size_t kOutputSlack = 4;

/// The horizontal pass along one axis, prepared for many rows of `channels` (3 or 4) interleaved bytes. Needs
/// `axis` and `scratch` while it lives, and the scratch for itself.
class RowResampler {
 public:
  RowResampler(const AxisWeights& axis, int channels, KernelScratch& scratch);
  /// out[x] = sum of weight x row[first + tap]. `out` has room for kOutputSlack bytes more.
  void operator()(std::span<const std::uint8_t> row, std::uint8_t* out);

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
