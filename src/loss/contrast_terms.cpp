#include "loss/contrast_terms.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/sub.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/tiles.h"

namespace cloob {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// The similarities s a_i.b_j of some anchors and some samples: a view of a buffer, lost with the next tile.
struct Tile {
  at::Tensor values_RC;
  std::int64_t row, column;  ///< of its first element in the matrix
  std::int64_t offset;       ///< of the partners' diagonal

  std::int64_t rows() const { return values_RC.size(0); }
  std::int64_t columns() const { return values_RC.size(1); }
  bool has_partners() const { return offset < columns() && offset > -rows(); }
  at::Tensor partners() const { return values_RC.diagonal(offset); }
  /// The rows of the tile that have their partner in it: first and count.
  std::pair<std::int64_t, std::int64_t> rows_with_partners() const {
    const std::int64_t first = std::max<std::int64_t>(0, -offset);
    return {first, std::min(rows(), columns() - offset) - first};
  }
};

/// Goes through the matrix of similarities.
class Similarities {
 public:
  Similarities(const at::Tensor& anchor_BD, const at::Tensor& sample_ND, const at::Tensor& scale,
               const ContrastOptions& options)
      : anchor_BD_(anchor_BD),
        sample_ND_(sample_ND),
        scale_(scale),
        options_(options),
        tile_(anchor_BD, sample_ND, options.tile) {
    if (options.columns) scratch_.emplace(anchor_BD, sample_ND, options.tile);
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
  /// Memory of the tile's size, where both directions are asked for.
  at::Tensor scratch_for(const Tile& tile) const { return scratch_->of_size(tile.rows(), tile.columns()); }

 private:
  const at::Tensor& anchor_BD_;
  const at::Tensor& sample_ND_;
  const at::Tensor& scale_;
  ContrastOptions options_;
  TileBuffer tile_;
  std::optional<TileBuffer> scratch_;
};

void leave_out_partners(const Tile& tile, const ContrastOptions& options) {
  if (options.leave_out_partners && tile.has_partners()) {
    tile.partners().fill_(-std::numeric_limits<double>::infinity());
  }
}

/// log sum exp along one dimension of tiles that come one after the other.
class RunningLogSum {
 public:
  RunningLogSum(at::IntArrayRef shape, const at::TensorOptions& options)
      // Finite, so that a tile of nothing but what is left out does no harm.
      : largest_(at::full(shape, static_cast<double>(std::numeric_limits<float>::lowest()), options)),
        sum_(at::zeros(shape, options)) {}

  /// `exponentials` is scratch of the tile's size, which may be the tile itself.
  void add(const at::Tensor& values, std::int64_t dim, at::Tensor exponentials) {
    const at::Tensor largest = at::maximum(largest_, values.amax(dim, /*keepdim=*/true));
    at::sub_out(exponentials, values, largest).exp_();
    sum_.mul_((largest_ - largest).exp_()).add_(exponentials.sum(dim, /*keepdim=*/true));
    largest_.copy_(largest);
  }
  /// The same memory.
  RunningLogSum narrow(std::int64_t dim, std::int64_t first, std::int64_t count) const {
    return RunningLogSum(largest_.narrow(dim, first, count), sum_.narrow(dim, first, count));
  }
  at::Tensor value() const { return (largest_ + sum_.log()).flatten(); }

 private:
  RunningLogSum(at::Tensor largest, at::Tensor sum) : largest_(std::move(largest)), sum_(std::move(sum)) {}

  at::Tensor largest_;
  at::Tensor sum_;
};

struct LogSums {
  at::Tensor rows_B, columns_N, positives_B;
};

LogSums sum_tiles(const at::Tensor& anchor_BD, const at::Tensor& sample_ND, const at::Tensor& scale,
                  const ContrastOptions& options) {
  const std::int64_t num_rows = anchor_BD.size(0), num_columns = sample_ND.size(0);
  const Similarities similarities(anchor_BD, sample_ND, scale, options);
  LogSums sums{at::empty({num_rows}, anchor_BD.options()), {}, at::empty({num_rows}, anchor_BD.options())};
  const RunningLogSum columns({1, options.columns ? num_columns : 0}, anchor_BD.options());
  similarities.for_each_band([&](std::int64_t row, std::int64_t rows, const at::Tensor& scaled_RD) {
    RunningLogSum of_rows({rows, 1}, anchor_BD.options());
    similarities.for_each_tile(row, scaled_RD, [&](const Tile& tile, const at::Tensor&) {
      if (tile.has_partners()) {
        const auto [first, count] = tile.rows_with_partners();
        sums.positives_B.narrow(0, row + first, count).copy_(tile.partners());
      }
      leave_out_partners(tile, options);
      of_rows.add(tile.values_RC, 1, options.columns ? similarities.scratch_for(tile) : tile.values_RC);
      if (options.columns) {
        columns.narrow(1, tile.column, tile.columns()).add(tile.values_RC, 0, tile.values_RC);
      }
    });
    sums.rows_B.narrow(0, row, rows).copy_(of_rows.value());
  });
  if (options.columns) sums.columns_N = columns.value();
  return sums;
}

/// d log sum_j exp(z_ij) / d z_ij is a softmax, whose logarithm is z_ij minus that sum; the positive takes 1
/// off the diagonal.
class ContrastFunction : public torch::autograd::Function<ContrastFunction> {
 public:
  static variable_list forward(AutogradContext* context, const at::Tensor& anchor_BD,
                               const at::Tensor& sample_ND, const at::Tensor& scale, std::int64_t first_row,
                               bool leave_out_partners, bool columns, std::int64_t tile) {
    const LogSums sums =
        sum_tiles(anchor_BD, sample_ND, scale, {first_row, leave_out_partners, columns, tile});
    context->save_for_backward({anchor_BD, sample_ND, scale, sums.rows_B, sums.columns_N});
    context->saved_data["first_row"] = first_row;
    context->saved_data["leave_out_partners"] = leave_out_partners;
    context->saved_data["tile"] = tile;
    variable_list terms = {sums.rows_B - sums.positives_B};
    if (columns) terms.push_back(sums.columns_N - sums.positives_B);
    return terms;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &anchor_BD = saved[0], &sample_ND = saved[1], &scale = saved[2];
    const bool has_columns = saved[4].defined();
    const ContrastOptions options{context->saved_data["first_row"].toInt(),
                                  context->saved_data["leave_out_partners"].toBool(), has_columns,
                                  context->saved_data["tile"].toInt()};
    const at::Tensor sums_B1 = saved[3].unsqueeze(1), grad_B1 = gradients[0].unsqueeze(1);
    const at::Tensor sums_1N = has_columns ? saved[4].unsqueeze(0) : at::Tensor();
    const at::Tensor grad_1N = has_columns ? gradients[1].unsqueeze(0) : at::Tensor();
    const at::Tensor grad_of_positives_B = has_columns ? gradients[0] + gradients[1] : gradients[0];
    const at::Tensor grad_anchor_BD = at::zeros_like(anchor_BD), grad_sample_ND = at::zeros_like(sample_ND);
    const at::Tensor grad_scale = at::zeros({}, scale.options());
    const Similarities similarities(anchor_BD, sample_ND, scale, options);
    similarities.for_each_band([&](std::int64_t row, std::int64_t rows, const at::Tensor& scaled_RD) {
      const at::Tensor sums_R1 = sums_B1.narrow(0, row, rows), grad_R1 = grad_B1.narrow(0, row, rows);
      at::Tensor grad_RD = grad_anchor_BD.narrow(0, row, rows);
      similarities.for_each_tile(row, scaled_RD, [&](const Tile& tile, const at::Tensor& sample_CD) {
        leave_out_partners(tile, options);
        at::Tensor of_columns;
        if (has_columns) {
          of_columns = similarities.scratch_for(tile);
          at::sub_out(of_columns, tile.values_RC, sums_1N.narrow(1, tile.column, tile.columns()))
              .exp_()
              .mul_(grad_1N.narrow(1, tile.column, tile.columns()));
        }
        tile.values_RC.sub_(sums_R1).exp_().mul_(grad_R1);
        if (has_columns) tile.values_RC.add_(of_columns);
        if (tile.has_partners()) {
          const auto [first, count] = tile.rows_with_partners();
          tile.partners().sub_(grad_of_positives_B.narrow(0, row + first, count));
        }
        grad_RD.addmm_(tile.values_RC, sample_CD);
        grad_sample_ND.narrow(0, tile.column, tile.columns()).addmm_(tile.values_RC.t(), scaled_RD);
      });
      if (context->needs_input_grad(2)) grad_scale.add_((grad_RD * anchor_BD.narrow(0, row, rows)).sum());
      grad_RD.mul_(scale);
    });
    return {grad_anchor_BD, grad_sample_ND, grad_scale, {}, {}, {}, {}};
  }
};

}  // namespace

ContrastTerms contrast_terms(const at::Tensor& anchor_BD, const at::Tensor& sample_ND,
                             const at::Tensor& scale, const ContrastOptions& options) {
  const std::int64_t num_anchors = anchor_BD.size(0), num_samples = sample_ND.size(0);
  CLOOB_CHECK(options.first_row >= 0 && options.first_row + num_anchors <= num_samples,
              "{} anchors from row {} have no partners among {} samples", num_anchors, options.first_row,
              num_samples);
  CLOOB_CHECK(!options.columns || num_anchors == num_samples, "both directions of {} anchors, {} samples",
              num_anchors, num_samples);
  const variable_list terms =
      ContrastFunction::apply(anchor_BD, sample_ND, scale, options.first_row, options.leave_out_partners,
                              options.columns, options.tile);
  return {terms[0], options.columns ? terms[1] : at::Tensor()};
}

}  // namespace cloob
