#include "retrieval/hopfield_update.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include "cloob/base/running_average.h"
#include "cloob/base/tiles.h"
#include "retrieval/update_parts.h"

namespace cloob {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

class UpdateFunction : public torch::autograd::Function<UpdateFunction> {
 public:
  static variable_list forward(AutogradContext* context, const at::Tensor& state_BD,
                               const at::Tensor& stored_MD, const at::Tensor& beta, bool normalize,
                               std::int64_t tile) {
    const TileBuffer buffer(state_BD, stored_MD, tile);
    RunningAverage average(state_BD.size(0), stored_MD);
    for_each_piece(state_BD.size(0), tile, [&](std::int64_t row, std::int64_t rows) {
      const at::Tensor query_RD = state_BD.narrow(0, row, rows) * beta;
      for_each_piece(stored_MD.size(0), tile, [&](std::int64_t column, std::int64_t columns) {
        const at::Tensor stored_CD = stored_MD.narrow(0, column, columns);
        at::Tensor similarities_RC = buffer.of_size(rows, columns);
        at::mm_out(similarities_RC, query_RD, stored_CD.t());
        average.add(row, similarities_RC, stored_CD, similarities_RC);
      });
    });
    average.finish();
    const at::Tensor entropy_B = entropies(average, state_BD, beta);
    const at::Tensor norm_B1 = normalize ? normalize_rows_in_place(average.average_BD) : at::Tensor();
    context->save_for_backward({state_BD, stored_MD, beta, average.log_sum_B1, average.average_BD, norm_B1});
    context->saved_data["tile"] = tile;
    context->mark_non_differentiable({entropy_B});
    return {average.average_BD, entropy_B};
  }

  // With z = beta state stored^T, P = softmax(z) and g the gradient of P stored: the gradient of stored is
  // P^T g, through the average, plus dz^T beta state, through the similarities (softmax_backward computes
  // dz).
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &state_BD = saved[0], &stored_MD = saved[1], &beta = saved[2], &log_sum_B1 = saved[3];
    const at::Tensor grad_BD = gradients[0];
    const std::int64_t tile = context->saved_data["tile"].toInt();
    const TileBuffer softmax_buffer(state_BD, stored_MD, tile);
    const TileBuffer grad_buffer(state_BD, stored_MD, tile);
    const at::Tensor grad_state_BD = at::zeros_like(state_BD), grad_stored_MD = at::zeros_like(stored_MD);
    const at::Tensor grad_beta = at::zeros({}, beta.options());
    for_each_piece(state_BD.size(0), tile, [&](std::int64_t row, std::int64_t rows) {
      const at::Tensor state_RD = state_BD.narrow(0, row, rows), query_RD = state_RD * beta;
      const at::Tensor log_sum_R1 = log_sum_B1.narrow(0, row, rows);
      const auto [grad_RD, dot_R1] = average_gradient(grad_BD.narrow(0, row, rows), saved, row, rows);
      at::Tensor grad_query_RD = grad_state_BD.narrow(0, row, rows);
      for_each_piece(stored_MD.size(0), tile,
                     [&, &grad_RD = grad_RD, &dot_R1 = dot_R1](std::int64_t column, std::int64_t columns) {
                       const at::Tensor stored_CD = stored_MD.narrow(0, column, columns);
                       at::Tensor softmax_RC = softmax_buffer.of_size(rows, columns);
                       at::mm_out(softmax_RC, query_RD, stored_CD.t());
                       at::Tensor grad_z_RC = grad_buffer.of_size(rows, columns);
                       softmax_backward(softmax_RC, log_sum_R1, grad_RD, dot_R1, stored_CD, grad_z_RC);
                       grad_stored_MD.narrow(0, column, columns)
                           .addmm_(softmax_RC.t(), grad_RD)
                           .addmm_(grad_z_RC.t(), query_RD);
                       grad_query_RD.addmm_(grad_z_RC, stored_CD);
                     });
      if (context->needs_input_grad(2)) grad_beta.add_((grad_query_RD * state_RD).sum());
      grad_query_RD.mul_(beta);
    });
    return {grad_state_BD, grad_stored_MD, grad_beta, {}, {}};
  }

 private:
  // The gradient of the averages for some rows.
  static RowGradient average_gradient(const at::Tensor& grad_RD, const variable_list& saved, std::int64_t row,
                                      std::int64_t rows) {
    const at::Tensor result_RD = saved[4].narrow(0, row, rows);
    if (saved[5].defined()) return normalize_backward(grad_RD, result_RD, saved[5].narrow(0, row, rows));
    return {grad_RD.contiguous(), (grad_RD * result_RD).sum(1, /*keepdim=*/true)};
  }
};

}  // namespace

Update hopfield_update(const at::Tensor& state_BD, const at::Tensor& stored_MD, const at::Tensor& beta,
                       Normalize normalize, std::int64_t tile) {
  const variable_list results =
      UpdateFunction::apply(state_BD, stored_MD, beta, normalize == Normalize::yes, tile);
  return {results[0], results[1]};
}

}  // namespace cloob
