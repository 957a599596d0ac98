#include <ATen/TensorOperators.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/sub.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include "cloob/base/running_average.h"
#include "cloob/base/tiles.h"
#include "retrieval/hopfield_update.h"
#include "retrieval/update_parts.h"

namespace cloob {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// If x and y are the same patterns, only tiles on and above the diagonal are computed, and each stands for
/// its mirror image too.
class PairedUpdatesFunction : public torch::autograd::Function<PairedUpdatesFunction> {
 public:
  static variable_list forward(AutogradContext* context, const at::Tensor& x_ND, const at::Tensor& y_MD,
                               const at::Tensor& beta, bool is_self, std::int64_t tile) {
    const TileBuffer buffer(x_ND, y_MD, tile), scratch(x_ND, y_MD, tile);
    RunningAverage average_x(x_ND.size(0), y_MD), other_average(is_self ? 0 : y_MD.size(0), x_ND);
    RunningAverage& average_y = is_self ? average_x : other_average;
    for_each_piece(x_ND.size(0), tile, [&](std::int64_t row, std::int64_t rows) {
      const at::Tensor x_RD = x_ND.narrow(0, row, rows), query_RD = x_RD * beta;
      for_each_piece(y_MD.size(0), tile, [&](std::int64_t column, std::int64_t columns) {
        if (is_self && column < row) return;
        const at::Tensor y_CD = y_MD.narrow(0, column, columns);
        at::Tensor similarities_RC = buffer.of_size(rows, columns);
        at::mm_out(similarities_RC, query_RD, y_CD.t());
        if (is_self && column == row) {
          average_x.add(row, similarities_RC, y_CD, similarities_RC);
        } else {
          average_x.add(row, similarities_RC, y_CD, scratch.of_size(rows, columns));
          average_y.add(column, similarities_RC.t(), x_RD, similarities_RC.t());
        }
      });
    });
    average_x.finish();
    const at::Tensor entropy_N = entropies(average_x, x_ND, beta);
    const at::Tensor norm_N1 = normalize_rows_in_place(average_x.average_BD);
    context->saved_data["tile"] = tile;
    if (is_self) {
      context->save_for_backward({x_ND, beta, average_x.log_sum_B1, average_x.average_BD, norm_N1});
      context->mark_non_differentiable({entropy_N});
      return {average_x.average_BD, entropy_N};
    }
    average_y.finish();
    const at::Tensor entropy_M = entropies(average_y, y_MD, beta);
    const at::Tensor norm_M1 = normalize_rows_in_place(average_y.average_BD);
    context->save_for_backward({x_ND, beta, average_x.log_sum_B1, average_x.average_BD, norm_N1, y_MD,
                                average_y.log_sum_B1, average_y.average_BD, norm_M1});
    context->mark_non_differentiable({entropy_N, entropy_M});
    return {average_x.average_BD, entropy_N, average_y.average_BD, entropy_M};
  }

  // See UpdateFunction; the gradients that a similarity gets from both directions are added first.
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const bool is_self = saved.size() == 5;
    const std::int64_t tile = context->saved_data["tile"].toInt();
    const at::Tensor &x_ND = saved[0], &beta = saved[1], &log_sum_x = saved[2];
    const at::Tensor& y_MD = is_self ? x_ND : saved[5];
    const at::Tensor& log_sum_y = is_self ? log_sum_x : saved[6];
    const RowGradient row_grad_x = normalize_backward(gradients[0], saved[3], saved[4]);
    const RowGradient row_grad_y =
        is_self ? row_grad_x : normalize_backward(gradients[2], saved[7], saved[8]);
    const at::Tensor grad_x_ND = at::zeros_like(x_ND);
    const at::Tensor grad_y_MD = is_self ? grad_x_ND : at::zeros_like(y_MD);
    const at::Tensor grad_beta = at::zeros({}, beta.options());
    const TileBuffer softmax_buffer(x_ND, y_MD, tile), grad_buffer(x_ND, y_MD, tile),
        other_buffer(x_ND, y_MD, tile);
    for_each_piece(x_ND.size(0), tile, [&](std::int64_t row, std::int64_t rows) {
      const at::Tensor x_RD = x_ND.narrow(0, row, rows), query_RD = x_RD * beta;
      const at::Tensor grad_RD = row_grad_x.grad_BD.narrow(0, row, rows);
      at::Tensor grad_query_RD = at::zeros_like(query_RD), grad_x_RD = grad_x_ND.narrow(0, row, rows);
      for_each_piece(y_MD.size(0), tile, [&](std::int64_t column, std::int64_t columns) {
        if (is_self && column < row) return;
        const bool is_mirrored = !(is_self && column == row);
        const at::Tensor y_CD = y_MD.narrow(0, column, columns);
        const at::Tensor grad_CD = row_grad_y.grad_BD.narrow(0, column, columns);
        at::Tensor grad_y_CD = grad_y_MD.narrow(0, column, columns);
        at::Tensor softmax_RC = softmax_buffer.of_size(rows, columns);
        at::Tensor other_RC = other_buffer.of_size(rows, columns);
        at::mm_out(softmax_RC, query_RD, y_CD.t());
        if (is_mirrored) at::sub_out(other_RC, softmax_RC, log_sum_y.narrow(0, column, columns).t()).exp_();
        at::Tensor grad_z_RC = grad_buffer.of_size(rows, columns);
        softmax_backward(softmax_RC, log_sum_x.narrow(0, row, rows), grad_RD,
                         row_grad_x.dot_B1.narrow(0, row, rows), y_CD, grad_z_RC);
        grad_y_CD.addmm_(softmax_RC.t(), grad_RD);
        if (is_mirrored) {
          at::Tensor& other_grad_z_RC = softmax_RC;  // no longer needed
          grad_x_RD.addmm_(other_RC, grad_CD);
          at::mm_out(other_grad_z_RC, x_RD, grad_CD.t());
          other_grad_z_RC.sub_(row_grad_y.dot_B1.narrow(0, column, columns).t()).mul_(other_RC);
          grad_z_RC.add_(other_grad_z_RC);
        }
        grad_query_RD.addmm_(grad_z_RC, y_CD);
        grad_y_CD.addmm_(grad_z_RC.t(), query_RD);
      });
      if (context->needs_input_grad(2)) grad_beta.add_((grad_query_RD * x_RD).sum());
      grad_x_RD.add_(grad_query_RD.mul_(beta));
    });
    return {grad_x_ND, is_self ? at::Tensor() : grad_y_MD, grad_beta, {}, {}};
  }
};

}  // namespace

CrossUpdates cross_update(const at::Tensor& x_ND, const at::Tensor& y_MD, const at::Tensor& beta,
                          std::int64_t tile) {
  const variable_list both = PairedUpdatesFunction::apply(x_ND, y_MD, beta, /*is_self=*/false, tile);
  return {.x_to_y_N = {both[0], both[1]}, .y_to_x_M = {both[2], both[3]}};
}

Update self_update(const at::Tensor& x_ND, const at::Tensor& beta, std::int64_t tile) {
  const variable_list results = PairedUpdatesFunction::apply(x_ND, x_ND, beta, /*is_self=*/true, tile);
  return {results[0], results[1]};
}

}  // namespace cloob
