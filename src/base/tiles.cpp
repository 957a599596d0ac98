#include "cloob/base/tiles.h"

#include <ATen/ops/empty.h>

#include "cloob/base/memory.h"

namespace cloob {

std::int64_t tile_side(std::int64_t requested) {
  if (requested > 0) return requested;
  // Measured: larger tiles do not fit the caches of a CPU, smaller ones slow down the matrix products. When
  // memory is short, three tiles may take a hundredth of what is available.
  constexpr std::int64_t kMinSide = 256, kMaxSide = 1024;
  constexpr std::uint64_t kBytesPerEntry = 3 * sizeof(float);
  std::int64_t side = kMaxSide;
  const std::uint64_t budget = available_memory_bytes() / 100;
  while (side > kMinSide && kBytesPerEntry * static_cast<std::uint64_t>(side * side) > budget) side /= 2;
  return side;
}

TileBuffer::TileBuffer(const at::Tensor& row_vectors, const at::Tensor& column_vectors, std::int64_t side)
    : memory_(at::empty({std::min(side, row_vectors.size(0)) * std::min(side, column_vectors.size(0))},
                        row_vectors.options())) {}

at::Tensor TileBuffer::of_size(std::int64_t rows, std::int64_t columns) const {
  return memory_.narrow(0, 0, rows * columns).view({rows, columns});
}

}  // namespace cloob
