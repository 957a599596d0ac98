#include "cloob/base/tiles.h"

#include <ATen/ops/empty.h>

#include "cloob/base/memory.h"

namespace cloob {

std::int64_t tile_side(std::int64_t asked) {
  if (asked > 0) return asked;
  // Measured: larger tiles leave the caches of a CPU, smaller ones lose speed in products. Where memory is
  // short, a few of them may take a hundredth of what is free.
  constexpr std::int64_t kSmallest = 256, kLargest = 1024;
  constexpr std::uint64_t kBytes = 3 * sizeof(float);
  std::int64_t side = kLargest;
  const std::uint64_t room = available_memory_bytes() / 100;
  while (side > kSmallest && kBytes * static_cast<std::uint64_t>(side * side) > room) side /= 2;
  return side;
}

TileBuffer::TileBuffer(const at::Tensor& row_vectors, const at::Tensor& column_vectors, std::int64_t side)
    : memory_(at::empty({std::min(side, row_vectors.size(0)) * std::min(side, column_vectors.size(0))},
                        row_vectors.options())) {}

at::Tensor TileBuffer::of_size(std::int64_t rows, std::int64_t columns) const {
  return memory_.narrow(0, 0, rows * columns).view({rows, columns});
}

}  // namespace cloob
