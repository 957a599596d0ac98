// Similarity matrices that do not fit into memory: they are processed in square tiles.
#pragma once

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cstdint>

namespace cloob {

/// Rows and columns of a tile: `requested`, or a size that suits memory and caches when that is 0.
std::int64_t tile_side(std::int64_t requested);

/// Calls `visit(first, count)` for consecutive chunks of [0, size), each of at most `max_count` elements.
template <class Visit>
void for_each_piece(std::int64_t size, std::int64_t max_count, const Visit& visit) {
  for (std::int64_t first = 0; first < size; first += max_count) {
    visit(first, std::min(max_count, size - first));
  }
}

/// Memory for one tile at a time; every tile is contiguous, whatever its size.
class TileBuffer {
 public:
  /// For the similarities between two sets of vectors, at most `side` of each at a time.
  TileBuffer(const at::Tensor& row_vectors, const at::Tensor& column_vectors, std::int64_t side);
  /// The next call overwrites the tile.
  at::Tensor of_size(std::int64_t rows, std::int64_t columns) const;

 private:
  at::Tensor memory_;
};

}  // namespace cloob
