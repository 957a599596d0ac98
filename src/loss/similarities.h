// The matrix of similarities of anchors and samples, in tiles.
#pragma once

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/mm.h>

#include <algorithm>
#include <cstdint>
#include <optional>

#include "cloob/base/tiles.h"

namespace cloob {

struct SimilarityOptions {
  std::int64_t first_row = 0;  ///< the partner of anchor i is sample first_row + i
  std::int64_t tile = 1024;
  bool has_scratch = false;
};

/// The similarities s a_i.b_j of some anchors and some samples: a view of a buffer, lost with the next tile.
struct Tile {
  at::Tensor values_RC;
  std::int64_t row, column;  ///< of its first element in the matrix
  std::int64_t offset;       ///< of the partners' diagonal

  std::int64_t rows() const { return values_RC.size(0); }
  std::int64_t columns() const { return values_RC.size(1); }
  bool has_partners() const { return offset < columns() && offset > -rows(); }
  at::Tensor partners() const { return values_RC.diagonal(offset); }
  /// The values of the anchors whose partners these are.
  at::Tensor of_partners(const at::Tensor& values_B) const {
    const std::int64_t first = std::max<std::int64_t>(0, -offset);
    return values_B.narrow(0, row + first, std::min(rows(), columns() - offset) - first);
  }
};

/// Goes through the matrix of similarities.
class Similarities {
 public:
  /// The three tensors must outlive this.
  Similarities(const at::Tensor& anchor_BD, const at::Tensor& sample_ND, const at::Tensor& scale,
               const SimilarityOptions& options)
      : anchor_BD_(anchor_BD),
        sample_ND_(sample_ND),
        scale_(scale),
        options_(options),
        tile_(anchor_BD, sample_ND, options.tile) {
    if (options.has_scratch) scratch_.emplace(anchor_BD, sample_ND, options.tile);
  }

  /// Calls visit(first, count, the scaled anchors) for one band of rows after the other.
  template <class Visit>
  void for_each_band(const Visit& visit) const {
    for_each_piece(anchor_BD_.size(0), options_.tile, [&](std::int64_t row, std::int64_t rows) {
      visit(row, rows, anchor_BD_.narrow(0, row, rows) * scale_);
    });
  }
  /// Calls visit(tile, its samples) for one tile of a band after the other.
  template <class Visit>
  void for_each_tile(std::int64_t row, const at::Tensor& scaled_RD, const Visit& visit) const {
    for_each_piece(sample_ND_.size(0), options_.tile, [&](std::int64_t column, std::int64_t columns) {
      const at::Tensor sample_CD = sample_ND_.narrow(0, column, columns);
      Tile tile{tile_.of_size(scaled_RD.size(0), columns), row, column, options_.first_row + row - column};
      at::mm_out(tile.values_RC, scaled_RD, sample_CD.t());
      visit(tile, sample_CD);
    });
  }
  /// Memory of the tile's size if it was asked for, otherwise the tile itself.
  at::Tensor scratch_for(const Tile& tile) const {
    return scratch_ ? scratch_->of_size(tile.rows(), tile.columns()) : tile.values_RC;
  }

 private:
  const at::Tensor& anchor_BD_;
  const at::Tensor& sample_ND_;
  const at::Tensor& scale_;
  SimilarityOptions options_;
  TileBuffer tile_;
  std::optional<TileBuffer> scratch_;
};

}  // namespace cloob
