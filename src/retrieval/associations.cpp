#include <ATen/TensorOperators.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/sub.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include "cloob/base/tiles.h"
#include "retrieval/association.h"
#include "retrieval/running_average.h"

namespace cloob {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// Where x and y are the same patterns, a tile above the diagonal stands for its mirror image too.
class AssociationsFunction : public torch::autograd::Function<AssociationsFunction> {
 public:
  static variable_list forward(AutogradContext* context, const at::Tensor& x_ND, const at::Tensor& y_MD,
                               const at::Tensor& beta, bool themselves, std::int64_t tile) {
    const TileBuffer buffer(x_ND, y_MD, tile), scratch(x_ND, y_MD, tile);
    RunningAverage of_x(x_ND), of_others(themselves ? x_ND.narrow(0, 0, 0) : y_MD);
    RunningAverage& of_y = themselves ? of_x : of_others;
    for_each_piece(x_ND.size(0), tile, [&](std::int64_t row, std::int64_t rows) {
      const at::Tensor x_RD = x_ND.narrow(0, row, rows), query_RD = x_RD * beta;
      for_each_piece(y_MD.size(0), tile, [&](std::int64_t column, std::int64_t columns) {
        if (themselves && column < row) return;
        const at::Tensor y_CD = y_MD.narrow(0, column, columns);
        at::Tensor similarities_RC = buffer.of_size(rows, columns);
        at::mm_out(similarities_RC, query_RD, y_CD.t());
        if (themselves && column == row) {
          of_x.add(row, similarities_RC, y_CD, similarities_RC);
        } else {
          of_x.add(row, similarities_RC, y_CD, scratch.of_size(rows, columns));
          of_y.add(column, similarities_RC.t(), x_RD, similarities_RC.t());
        }
      });
    });
    of_x.finish();
    const at::Tensor length_N1 = make_unit_rows(of_x.average_BD);
    context->saved_data["tile"] = tile;
    if (themselves) {
      context->save_for_backward({x_ND, beta, of_x.log_sum_B1, of_x.average_BD, length_N1});
      return {of_x.average_BD};
    }
    of_y.finish();
    const at::Tensor length_M1 = make_unit_rows(of_y.average_BD);
    context->save_for_backward({x_ND, beta, of_x.log_sum_B1, of_x.average_BD, length_N1, y_MD,
                                of_y.log_sum_B1, of_y.average_BD, length_M1});
    return {of_x.average_BD, of_y.average_BD};
  }

  // See AssociationFunction; the two gradients of a similarity are added before they go on.
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const bool themselves = saved.size() == 5;
    const std::int64_t tile = context->saved_data["tile"].toInt();
    const at::Tensor &x_ND = saved[0], &beta = saved[1], &log_sum_x = saved[2];
    const at::Tensor& y_MD = themselves ? x_ND : saved[5];
    const at::Tensor& log_sum_y = themselves ? log_sum_x : saved[6];
    const RowGradient of_x = before_unit_length(gradients[0], saved[3], saved[4]);
    const RowGradient of_y = themselves ? of_x : before_unit_length(gradients[1], saved[7], saved[8]);
    const at::Tensor grad_x_ND = at::zeros_like(x_ND);
    const at::Tensor grad_y_MD = themselves ? grad_x_ND : at::zeros_like(y_MD);
    const at::Tensor grad_beta = at::zeros({}, beta.options());
    const TileBuffer softmax_buffer(x_ND, y_MD, tile), change_buffer(x_ND, y_MD, tile),
        other_buffer(x_ND, y_MD, tile);
    for_each_piece(x_ND.size(0), tile, [&](std::int64_t row, std::int64_t rows) {
      const at::Tensor x_RD = x_ND.narrow(0, row, rows), query_RD = x_RD * beta;
      const at::Tensor grad_RD = of_x.grad_BD.narrow(0, row, rows);
      at::Tensor grad_query_RD = at::zeros_like(query_RD), grad_x_RD = grad_x_ND.narrow(0, row, rows);
      for_each_piece(y_MD.size(0), tile, [&](std::int64_t column, std::int64_t columns) {
        if (themselves && column < row) return;
        const bool is_mirrored = !(themselves && column == row);
        const at::Tensor y_CD = y_MD.narrow(0, column, columns);
        const at::Tensor grad_CD = of_y.grad_BD.narrow(0, column, columns);
        at::Tensor grad_y_CD = grad_y_MD.narrow(0, column, columns);
        at::Tensor softmax_RC = softmax_buffer.of_size(rows, columns);
        at::Tensor other_RC = other_buffer.of_size(rows, columns);
        at::mm_out(softmax_RC, query_RD, y_CD.t());
        if (is_mirrored) at::sub_out(other_RC, softmax_RC, log_sum_y.narrow(0, column, columns).t()).exp_();
        softmax_RC.sub_(log_sum_x.narrow(0, row, rows)).exp_();
        at::Tensor change_RC = change_buffer.of_size(rows, columns);
        at::mm_out(change_RC, grad_RD, y_CD.t());
        change_RC.sub_(of_x.along_B1.narrow(0, row, rows)).mul_(softmax_RC);
        grad_y_CD.addmm_(softmax_RC.t(), grad_RD);
        if (is_mirrored) {
          at::Tensor& other_change_RC = softmax_RC;  // which is not needed any more
          grad_x_RD.addmm_(other_RC, grad_CD);
          at::mm_out(other_change_RC, x_RD, grad_CD.t());
          other_change_RC.sub_(of_y.along_B1.narrow(0, column, columns).t()).mul_(other_RC);
          change_RC.add_(other_change_RC);
        }
        grad_query_RD.addmm_(change_RC, y_CD);
        grad_y_CD.addmm_(change_RC.t(), query_RD);
      });
      if (context->needs_input_grad(2)) grad_beta.add_((grad_query_RD * x_RD).sum());
      grad_x_RD.add_(grad_query_RD.mul_(beta));
    });
    return {grad_x_ND, themselves ? at::Tensor() : grad_y_MD, grad_beta, {}, {}};
  }
};

}  // namespace

Associations associate_each_other(const at::Tensor& x_ND, const at::Tensor& y_MD, const at::Tensor& beta,
                                  std::int64_t tile) {
  const variable_list both = AssociationsFunction::apply(x_ND, y_MD, beta, /*themselves=*/false, tile);
  return {both[0], both[1]};
}

at::Tensor associate_themselves(const at::Tensor& x_ND, const at::Tensor& beta, std::int64_t tile) {
  return AssociationsFunction::apply(x_ND, x_ND, beta, /*themselves=*/true, tile).front();
}

}  // namespace cloob
