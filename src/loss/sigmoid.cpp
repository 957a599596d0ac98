#include <ATen/TensorOperators.h>
#include <ATen/ops/softplus.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include "cloob/base/error.h"
#include "cloob/base/full_precision.h"
#include "cloob/loss/contrastive.h"
#include "loss/similarities.h"

namespace cloob {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// -l_ij (s a_i.b_j + bias) in the place of every similarity: the logit, and minus that of a partner.
void replace_by_signed_logits(const Tile& tile, const at::Tensor& bias) {
  tile.values_RC.add_(bias);
  if (tile.has_partners()) tile.partners().neg_();
}

/// The sum over all pairs, in fp64: terms of one sign, of which there are as many as elements in the matrix.
class SigmoidFunction : public torch::autograd::Function<SigmoidFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& anchor_BD,
                            const at::Tensor& sample_ND, const at::Tensor& scale, const at::Tensor& bias,
                            std::int64_t first_row, std::int64_t tile) {
    context->save_for_backward({anchor_BD, sample_ND, scale, bias});
    context->saved_data["first_row"] = first_row;
    context->saved_data["tile"] = tile;
    const at::Tensor sum = at::zeros({}, scale.options().dtype(at::kDouble));
    const Similarities similarities(anchor_BD, sample_ND, scale, {.first_row = first_row, .tile = tile});
    similarities.for_each_band([&](std::int64_t row, std::int64_t, const at::Tensor& scaled_RD) {
      similarities.for_each_tile(row, scaled_RD, [&](const Tile& logits, const at::Tensor&) {
        replace_by_signed_logits(logits, bias);
        at::Tensor terms_RC = logits.values_RC;
        // Above its threshold LibTorch takes the logit itself; fp64 would notice its default of 20.
        at::softplus_out(terms_RC, terms_RC, /*beta=*/1, /*threshold=*/40);
        sum.add_(terms_RC.sum());
      });
    });
    return sum;
  }

  // The gradient of a logit is the sigmoid of the signed one, with its sign.
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &anchor_BD = saved[0], &sample_ND = saved[1], &scale = saved[2], &bias = saved[3];
    const at::Tensor grad_anchor_BD = at::zeros_like(anchor_BD), grad_sample_ND = at::zeros_like(sample_ND);
    const auto fp64 = scale.options().dtype(at::kDouble);
    const at::Tensor grad_log_scale = at::zeros({}, fp64), grad_bias = at::zeros({}, fp64);
    const Similarities similarities(
        anchor_BD, sample_ND, scale,
        {.first_row = context->saved_data["first_row"].toInt(), .tile = context->saved_data["tile"].toInt()});
    similarities.for_each_band([&](std::int64_t row, std::int64_t rows, const at::Tensor& scaled_RD) {
      at::Tensor grad_RD = grad_anchor_BD.narrow(0, row, rows);
      similarities.for_each_tile(row, scaled_RD, [&](const Tile& tile, const at::Tensor& sample_CD) {
        replace_by_signed_logits(tile, bias);
        tile.values_RC.sigmoid_();
        if (tile.has_partners()) tile.partners().neg_();
        grad_RD.addmm_(tile.values_RC, sample_CD);
        grad_sample_ND.narrow(0, tile.column, tile.columns()).addmm_(tile.values_RC.t(), scaled_RD);
        grad_bias.add_(tile.values_RC.sum());
      });
      grad_log_scale.add_((grad_RD * scaled_RD).sum(at::kDouble));
      grad_RD.mul_(scale);
    });
    const at::Tensor& grad = gradients[0];
    const at::Tensor grad_of_features = grad.to(scale.scalar_type());
    return {grad_anchor_BD.mul_(grad_of_features),
            grad_sample_ND.mul_(grad_of_features),
            (grad_log_scale / scale * grad).to(scale.scalar_type()),
            (grad_bias * grad).to(bias.scalar_type()),
            {},
            {}};
  }
};

}  // namespace

at::Tensor sigmoid_loss(const at::Tensor& anchor_BD, const at::Tensor& sample_ND, const at::Tensor& inv_tau,
                        const at::Tensor& bias, std::int64_t first_row, std::int64_t tile) {
  CLOOB_CHECK(anchor_BD.dim() == 2 && sample_ND.dim() == 2 && anchor_BD.size(1) == sample_ND.size(1),
              "features must be two matrices of equal width");
  CLOOB_CHECK(bias.defined(), "the sigmoid loss has a bias");
  const std::int64_t num_anchors = anchor_BD.size(0), num_samples = sample_ND.size(0);
  if (num_samples == 0) throw_user_error("the sigmoid loss needs at least one pair, this batch has none");
  CLOOB_CHECK(first_row >= 0 && first_row + num_anchors <= num_samples,
              "{} anchors from row {} have no partners among {} samples", num_anchors, first_row,
              num_samples);
  const OutsideAutocast outside_autocast;
  const auto narrow_type = c10::promoteTypes(anchor_BD.scalar_type(), sample_ND.scalar_type());
  const auto type = c10::promoteTypes(narrow_type, at::kFloat);
  const at::Tensor sum = SigmoidFunction::apply(anchor_BD.to(type), sample_ND.to(type), inv_tau.to(type),
                                                bias.to(type), first_row, tile_side(tile));
  return (sum / num_samples).to(type);
}

}  // namespace cloob
