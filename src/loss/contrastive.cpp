#include "cloob/loss/contrastive.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/mm.h>

#include <limits>

#include "cloob/base/error.h"
#include "cloob/base/full_precision.h"

namespace cloob {
namespace {

// The arguments of a loss in one precision, the anchors already multiplied by s: scaling B x D numbers
// instead of B x N logits saves a copy of the largest matrix.
struct Operands {
  at::Tensor scaled_anchor_BD;
  at::Tensor sample_ND;
  at::Tensor inv_tau;
  std::int64_t first_row;
};

Operands prepare(const at::Tensor& anchor_BD, const at::Tensor& sample_ND, const at::Tensor& inv_tau,
                 std::int64_t first_row) {
  CLOOB_CHECK(anchor_BD.dim() == 2 && sample_ND.dim() == 2 && anchor_BD.size(1) == sample_ND.size(1),
              "features must be two matrices of equal width");
  CLOOB_CHECK(first_row >= 0 && first_row + anchor_BD.size(0) <= sample_ND.size(0),
              "{} anchors from row {} have no partners among {} samples", anchor_BD.size(0), first_row,
              sample_ND.size(0));
  const auto narrow_type = c10::promoteTypes(anchor_BD.scalar_type(), sample_ND.scalar_type());
  const auto type = c10::promoteTypes(narrow_type, at::kFloat);
  const at::Tensor scale = inv_tau.to(type);
  return {anchor_BD.to(type) * scale, sample_ND.to(type), scale, first_row};
}

// s a_i.b_i, by row products: taking the diagonal of the logits would make its gradient a B x N matrix.
at::Tensor positive_logits(const Operands& operands) {
  const at::Tensor partner_BD =
      operands.sample_ND.narrow(0, operands.first_row, operands.scaled_anchor_BD.size(0));
  return (operands.scaled_anchor_BD * partner_BD).sum(1);
}

enum class Positive { in_denominator, left_out };

// logsumexp_j(s a_i.b_j), with a single B x N matrix in memory.
//
// The gradient of logsumexp is the softmax P. So the value is computed outside of autograd, turning the
// logits into P in place, and the gradient is that of sum_j P_ij (s a_i.b_j) with P held fixed, added as a
// term of value zero. The result can be differentiated once.
at::Tensor log_denominators(const Operands& operands, Positive positive) {
  at::Tensor log_sum_B, softmax_BN;
  {
    const at::NoGradGuard no_grad;
    at::Tensor logits_BN = at::mm(operands.scaled_anchor_BD, operands.sample_ND.t());
    if (positive == Positive::left_out) {
      logits_BN.diagonal(operands.first_row).fill_(-std::numeric_limits<double>::infinity());
    }
    const at::Tensor largest_B1 = logits_BN.amax(1, /*keepdim=*/true);
    logits_BN.sub_(largest_B1).exp_();
    const at::Tensor sum_B1 = logits_BN.sum(1, /*keepdim=*/true);
    log_sum_B = (largest_B1 + sum_B1.log()).squeeze(1);
    softmax_BN = logits_BN.div_(sum_B1);
  }
  const at::Tensor expected_logit_B =
      (operands.scaled_anchor_BD * at::mm(softmax_BN, operands.sample_ND)).sum(1);
  return log_sum_B + (expected_logit_B - expected_logit_B.detach());
}

}  // namespace

at::Tensor info_nce(const at::Tensor& anchor_BD, const at::Tensor& sample_ND, const at::Tensor& inv_tau,
                    std::int64_t first_row) {
  if (anchor_BD.size(0) == 0) throw_user_error("InfoNCE needs at least one pair, this batch has none");
  const OutsideAutocast outside_autocast;
  const Operands operands = prepare(anchor_BD, sample_ND, inv_tau, first_row);
  return (log_denominators(operands, Positive::in_denominator) - positive_logits(operands)).mean();
}

at::Tensor info_loob(const at::Tensor& anchor_BD, const at::Tensor& sample_ND, const at::Tensor& inv_tau,
                     std::int64_t first_row) {
  if (anchor_BD.size(0) == 0 || sample_ND.size(0) < 2) {
    throw_user_error(
        "InfoLOOB needs at least two pairs, because the others are its negatives; this batch has {}: "
        "use a larger train.global_batch_size",
        sample_ND.size(0));
  }
  const OutsideAutocast outside_autocast;
  const Operands operands = prepare(anchor_BD, sample_ND, inv_tau, first_row);
  const at::Tensor terms_B = log_denominators(operands, Positive::left_out) - positive_logits(operands);
  return terms_B.mean() / operands.inv_tau;
}

}  // namespace cloob
