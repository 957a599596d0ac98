// Matrices of similarities that are too large to be held: they are gone through in square tiles.
#pragma once

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cstdint>

namespace cloob {

/// Rows and columns of a tile: `asked`, or what suits the memory and the caches where that is 0.
std::int64_t tile_side(std::int64_t asked);

/// Calls `visit(first, count)` for consecutive pieces of `size` places, each of at most `longest`.
template <class Visit>
void for_each_piece(std::int64_t size, std::int64_t longest, const Visit& visit) {
  for (std::int64_t first = 0; first < size; first += longest) visit(first, std::min(longest, size - first));
}

/// Memory for one tile at a time, whose rows follow each other without gaps whatever their number.
class TileBuffer {
 public:
  /// For the similarities of one set of vectors to another, at most `side` of each at a time.
  TileBuffer(const at::Tensor& row_vectors, const at::Tensor& column_vectors, std::int64_t side);
  /// What it holds is lost with the next call.
  at::Tensor of_size(std::int64_t rows, std::int64_t columns) const;

 private:
  at::Tensor memory_;
};

}  // namespace cloob
