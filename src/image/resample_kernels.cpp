#include "image/resample_kernels.h"

#include <algorithm>
#include <cstring>

// Sanitizers are not ready yet when the loader chooses among clones.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define CLOOB_CLONES [[gnu::target_clones("avx2", "default")]]
#else
#define CLOOB_CLONES
#endif

namespace cloob {
namespace {

using Lanes = std::int32_t __attribute__((vector_size(16)));
using LaneBytes = std::uint8_t __attribute__((vector_size(4)));

constexpr std::int32_t kHalf = 1 << (kWeightBits - 1);

}  // namespace

CLOOB_CLONES void resample_row(const std::uint8_t* row, int channels, const AxisWeights& axis,
                               std::uint8_t* out) {
  const int num_outputs = static_cast<int>(axis.first.size());
  for (int output = 0; output < num_outputs; ++output) {
    const std::int32_t* weights = axis.weights_of(output);
    const int count = axis.count[static_cast<std::size_t>(output)];
    const std::uint8_t* pixel = row + axis.first[static_cast<std::size_t>(output)] * channels;
    // Four lanes also for three channels: the fourth is the next pixel's first byte, and is overwritten
    // below.
    Lanes sum = {kHalf, kHalf, kHalf, kHalf};
    for (int tap = 0; tap < count; ++tap, pixel += channels) {
      LaneBytes bytes;
      std::memcpy(&bytes, pixel, sizeof(bytes));
      sum += __builtin_convertvector(bytes, Lanes) * weights[tap];
    }
    sum >>= kWeightBits;
    sum = sum < 0 ? Lanes{} : sum;
    sum = sum > 255 ? Lanes{255, 255, 255, 255} : sum;
    const LaneBytes bytes = __builtin_convertvector(sum, LaneBytes);
    std::memcpy(out, &bytes, sizeof(bytes));
    out += channels;
  }
}

CLOOB_CLONES void resample_column(const std::uint8_t* rows, std::size_t stride, const std::int32_t* weights,
                                  int count, std::size_t num_bytes, std::int32_t* __restrict sums,
                                  std::uint8_t* __restrict out) {
  std::fill_n(sums, num_bytes, kHalf);
  for (int tap = 0; tap < count; ++tap, rows += stride) {
    const std::int32_t weight = weights[tap];
    for (std::size_t i = 0; i < num_bytes; ++i) sums[i] += rows[i] * weight;
  }
  for (std::size_t i = 0; i < num_bytes; ++i) {
    out[i] = static_cast<std::uint8_t>(std::clamp(sums[i] >> kWeightBits, 0, 255));
  }
}

}  // namespace cloob
