#include "image/resample_kernels.h"

#include <algorithm>
#include <cstring>

// Sanitizers are not set up yet when the loader chooses among clones.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define CLOOB_CLONES [[gnu::target_clones("avx2", "default")]]
#else
#define CLOOB_CLONES
#endif

namespace cloob {
namespace {

using Lanes = std::int32_t __attribute__((vector_size(16)));
constexpr std::size_t kLanes = 4;
constexpr std::int32_t kHalf = 1 << (kWeightBits - 1);

std::int32_t* grown(std::vector<std::int32_t>& buffer, std::size_t size) {
  if (buffer.size() < size) buffer.resize(size);
  return buffer.data();
}

CLOOB_CLONES void widen(const std::uint8_t* __restrict bytes, std::size_t count,
                        std::int32_t* __restrict out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = bytes[i];
}

CLOOB_CLONES void round_to_bytes(const std::int32_t* __restrict sums, std::size_t count,
                                 std::uint8_t* __restrict out) {
  for (std::size_t i = 0; i < count; ++i) {
    out[i] = static_cast<std::uint8_t>(std::clamp(sums[i] >> kWeightBits, 0, 255));
  }
}

// Four lanes for three channels too: the fourth computes nonsense that the next pixel overwrites.
CLOOB_CLONES void sum_row(const std::int32_t* row, int channels, const AxisWeights& axis,
                          std::int32_t* sums) {
  const std::size_t num_outputs = axis.first.size();
  for (std::size_t output = 0; output < num_outputs; ++output, sums += channels) {
    const std::int32_t* pixel = row + axis.first[output] * channels;
    Lanes sum = {kHalf, kHalf, kHalf, kHalf};
    for (const std::int32_t weight : axis.weights_of(output)) {
      Lanes lanes;
      std::memcpy(&lanes, pixel, sizeof(lanes));
      sum += lanes * weight;
      pixel += channels;
    }
    std::memcpy(sums, &sum, sizeof(sum));
  }
}

CLOOB_CLONES void add_weighted(const std::uint8_t* __restrict row, std::int32_t weight, std::size_t count,
                               std::int32_t* __restrict sums) {
  for (std::size_t i = 0; i < count; ++i) sums[i] += row[i] * weight;
}

}  // namespace

void resample_row(std::span<const std::uint8_t> row, int channels, const AxisWeights& axis,
                  KernelScratch& scratch, std::uint8_t* out) {
  const std::size_t num_bytes = axis.first.size() * static_cast<std::size_t>(channels);
  std::int32_t* wide_row = grown(scratch.wide_row, row.size() + kLanes);
  std::int32_t* sums = grown(scratch.sums, num_bytes + kLanes);
  widen(row.data(), row.size(), wide_row);
  sum_row(wide_row, channels, axis, sums);
  round_to_bytes(sums, num_bytes, out);
}

void resample_column(const std::uint8_t* rows, std::size_t stride, std::span<const std::int32_t> weights,
                     KernelScratch& scratch, std::span<std::uint8_t> out) {
  std::int32_t* sums = grown(scratch.sums, out.size());
  std::fill_n(sums, out.size(), kHalf);
  for (const std::int32_t weight : weights) {
    add_weighted(rows, weight, out.size(), sums);
    rows += stride;
  }
  round_to_bytes(sums, out.size(), out.data());
}

}  // namespace cloob
