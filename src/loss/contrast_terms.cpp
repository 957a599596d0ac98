#include "loss/contrast_terms.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/sub.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <limits>
#include <utility>

#include "cloob/base/error.h"
#include "loss/similarities.h"

namespace cloob {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// The softmaxes exp(z - largest) / sum of all rows or of all columns, their partners left out.
struct Softmaxes {
  at::Tensor largest, sum;
  at::Tensor log_odds;  ///< log sum exp(z), minus the z of the partner
};

/// Such softmaxes along one dimension of tiles that come one after the other.
class RunningSoftmaxes {
 public:
  RunningSoftmaxes(at::IntArrayRef shape, const at::TensorOptions& options)
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
  RunningSoftmaxes narrow(std::int64_t dim, std::int64_t first, std::int64_t count) const {
    return RunningSoftmaxes(largest_.narrow(dim, first, count), sum_.narrow(dim, first, count));
  }
  /// Nothing of the size of the similarities is rounded on the way to the log-odds, which may be small.
  Softmaxes with_log_odds(const at::Tensor& positives) const {
    const at::Tensor largest = largest_.flatten(), sum = sum_.flatten();
    return {largest, sum, largest - positives + sum.log()};
  }

 private:
  RunningSoftmaxes(at::Tensor largest, at::Tensor sum) : largest_(std::move(largest)), sum_(std::move(sum)) {}

  at::Tensor largest_;
  at::Tensor sum_;
};

Similarities similarities_of(const at::Tensor& anchor_BD, const at::Tensor& sample_ND,
                             const at::Tensor& scale, const ContrastOptions& options) {
  return {anchor_BD,
          sample_ND,
          scale,
          {.first_row = options.first_row, .tile = options.tile, .has_scratch = options.columns}};
}

struct BothDirections {
  Softmaxes rows, columns;
};

BothDirections sum_tiles(const at::Tensor& anchor_BD, const at::Tensor& sample_ND, const at::Tensor& scale,
                         const ContrastOptions& options) {
  const Similarities similarities = similarities_of(anchor_BD, sample_ND, scale, options);
  const at::Tensor positives_B = at::empty({anchor_BD.size(0)}, anchor_BD.options());
  const RunningSoftmaxes of_rows({anchor_BD.size(0), 1}, anchor_BD.options());
  const RunningSoftmaxes of_columns({1, options.columns ? sample_ND.size(0) : 0}, anchor_BD.options());
  similarities.for_each_band([&](std::int64_t row, std::int64_t rows, const at::Tensor& scaled_RD) {
    // A sum of products rounds less than a matrix product does, and a positive's error is in all its terms.
    const at::Tensor partner_RD = sample_ND.narrow(0, options.first_row + row, rows);
    positives_B.narrow(0, row, rows).copy_((scaled_RD * partner_RD).sum(1));
    similarities.for_each_tile(row, scaled_RD, [&](const Tile& tile, const at::Tensor&) {
      if (tile.has_partners()) tile.partners().fill_(-std::numeric_limits<double>::infinity());
      of_rows.narrow(0, row, rows).add(tile.values_RC, 1, similarities.scratch_for(tile));
      if (options.columns) {
        of_columns.narrow(1, tile.column, tile.columns()).add(tile.values_RC, 0, tile.values_RC);
      }
    });
  });
  return {of_rows.with_log_odds(positives_B),
          options.columns ? of_columns.with_log_odds(positives_B) : Softmaxes{}};
}

/// The gradients of log-odds on their way to the similarities of tiles.
class TileGradients {
 public:
  TileGradients(const BothDirections& softmaxes, const at::Tensor& grad_B, const at::Tensor& grad_N)
      : largest_B1_(softmaxes.rows.largest.unsqueeze(1)),
        weight_B1_((grad_B / softmaxes.rows.sum).unsqueeze(1)),
        of_partners_B_(-grad_B) {
    if (!grad_N.defined()) return;
    largest_1N_ = softmaxes.columns.largest.unsqueeze(0);
    weight_1N_ = (grad_N / softmaxes.columns.sum).unsqueeze(0);
    of_partners_B_.sub_(grad_N);
  }

  /// With g and g' the gradients of row i and column j, and p and q their softmaxes: g p_ij + g' q_ij in the
  /// place of every similarity, -(g + g') in that of a partner. `scratch_RC` is needed for columns only.
  void replace_similarities(const Tile& tile, at::Tensor scratch_RC) const {
    const auto of_rows = [&](const at::Tensor& all_B1) { return all_B1.narrow(0, tile.row, tile.rows()); };
    const auto of_columns = [&](const at::Tensor& all_1N) {
      return all_1N.narrow(1, tile.column, tile.columns());
    };
    const bool has_columns = largest_1N_.defined();
    if (has_columns) at::sub_out(scratch_RC, tile.values_RC, of_columns(largest_1N_)).exp_();
    tile.values_RC.sub_(of_rows(largest_B1_)).exp_().mul_(of_rows(weight_B1_));
    if (has_columns) tile.values_RC.addcmul_(scratch_RC, of_columns(weight_1N_));
    if (tile.has_partners()) tile.partners().copy_(tile.of_partners(of_partners_B_));
  }

 private:
  at::Tensor largest_B1_, weight_B1_, largest_1N_, weight_1N_, of_partners_B_;
};

/// What the tiles add up to: gradients with respect to the features and to the logarithm of the scale, which
/// is undefined where it is not asked for.
struct InputGradients {
  at::Tensor anchor_BD, sample_ND, log_scale;
};

void add_tiles(const Similarities& similarities, const TileGradients& tile_gradients, const at::Tensor& scale,
               const InputGradients& sums) {
  similarities.for_each_band([&](std::int64_t row, std::int64_t rows, const at::Tensor& scaled_RD) {
    at::Tensor grad_RD = sums.anchor_BD.narrow(0, row, rows);
    similarities.for_each_tile(row, scaled_RD, [&](const Tile& tile, const at::Tensor& sample_CD) {
      tile_gradients.replace_similarities(tile, similarities.scratch_for(tile));
      grad_RD.addmm_(tile.values_RC, sample_CD);
      sums.sample_ND.narrow(0, tile.column, tile.columns()).addmm_(tile.values_RC.t(), scaled_RD);
    });
    if (sums.log_scale.defined()) sums.log_scale.add_((grad_RD * scaled_RD).sum(at::kDouble));
    grad_RD.mul_(scale);
  });
}

class ContrastFunction : public torch::autograd::Function<ContrastFunction> {
 public:
  static variable_list forward(AutogradContext* context, const at::Tensor& anchor_BD,
                               const at::Tensor& sample_ND, const at::Tensor& scale, std::int64_t first_row,
                               bool divide_by_scale, bool columns, std::int64_t tile) {
    const auto [of_rows, of_columns] =
        sum_tiles(anchor_BD, sample_ND, scale, {first_row, divide_by_scale, columns, tile});
    context->save_for_backward({anchor_BD, sample_ND, scale, of_rows.largest, of_rows.sum, of_rows.log_odds,
                                of_columns.largest, of_columns.sum, of_columns.log_odds});
    context->saved_data["first_row"] = first_row;
    context->saved_data["divide_by_scale"] = divide_by_scale;
    context->saved_data["tile"] = tile;
    variable_list terms = {of_rows.log_odds};
    if (columns) terms.push_back(of_columns.log_odds);
    if (divide_by_scale) {
      for (at::Tensor& term : terms) term = term / scale;
    }
    return terms;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &anchor_BD = saved[0], &sample_ND = saved[1], &scale = saved[2];
    const BothDirections softmaxes{{saved[3], saved[4], saved[5]}, {saved[6], saved[7], saved[8]}};
    const bool has_columns = softmaxes.columns.sum.defined();
    const ContrastOptions options{context->saved_data["first_row"].toInt(),
                                  context->saved_data["divide_by_scale"].toBool(), has_columns,
                                  context->saved_data["tile"].toInt()};
    const auto of_log_odds = [&](const at::Tensor& grad) {
      return options.divide_by_scale ? grad / scale : grad;
    };
    const at::Tensor grad_B = of_log_odds(gradients[0]);
    const at::Tensor grad_N = has_columns ? of_log_odds(gradients[1]) : at::Tensor();
    InputGradients sums{at::zeros_like(anchor_BD), at::zeros_like(sample_ND), {}};
    if (context->needs_input_grad(2)) sums.log_scale = at::zeros({}, scale.options().dtype(at::kDouble));
    add_tiles(similarities_of(anchor_BD, sample_ND, scale, options), TileGradients(softmaxes, grad_B, grad_N),
              scale, sums);
    if (!sums.log_scale.defined()) return {sums.anchor_BD, sums.sample_ND, {}, {}, {}, {}, {}};
    if (options.divide_by_scale) {
      // A small difference of large numbers, for which these sums are in fp64.
      sums.log_scale.sub_((grad_B * softmaxes.rows.log_odds).sum(at::kDouble));
      if (has_columns) sums.log_scale.sub_((grad_N * softmaxes.columns.log_odds).sum(at::kDouble));
    }
    const at::Tensor grad_scale = (sums.log_scale / scale).to(scale.scalar_type());
    return {sums.anchor_BD, sums.sample_ND, grad_scale, {}, {}, {}, {}};
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
  const variable_list terms = ContrastFunction::apply(anchor_BD, sample_ND, scale, options.first_row,
                                                      options.divide_by_scale, options.columns, options.tile);
  return {terms[0], options.columns ? terms[1] : at::Tensor()};
}

}  // namespace cloob
