#include "cloob/loss/contrastive.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/logsumexp.h>
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

// s a_i.b_i, by row products: taking the diagonal of the logits would make its gradient a second B x N
// matrix.
at::Tensor positive_logits(const Operands& operands) {
  const at::Tensor partner_BD =
      operands.sample_ND.narrow(0, operands.first_row, operands.scaled_anchor_BD.size(0));
  return (operands.scaled_anchor_BD * partner_BD).sum(1);
}

at::Tensor all_logits(const Operands& operands) {
  return at::mm(operands.scaled_anchor_BD, operands.sample_ND.t());
}

// Excludes the positives in place. Neither the matrix product nor logsumexp needs the old values for its
// gradient, and logsumexp passes exactly zero to an entry of -inf, so the change needs no gradient of its
// own.
void exclude_positives(const at::Tensor& logits_BN, std::int64_t first_row) {
  const at::NoGradGuard no_grad;
  logits_BN.detach().diagonal(first_row).fill_(-std::numeric_limits<double>::infinity());
}

}  // namespace

at::Tensor info_nce(const at::Tensor& anchor_BD, const at::Tensor& sample_ND, const at::Tensor& inv_tau,
                    std::int64_t first_row) {
  if (anchor_BD.size(0) == 0) throw_user_error("InfoNCE needs at least one pair, this batch has none");
  const OutsideAutocast outside_autocast;
  const Operands operands = prepare(anchor_BD, sample_ND, inv_tau, first_row);
  return (at::logsumexp(all_logits(operands), 1) - positive_logits(operands)).mean();
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
  const at::Tensor logits_BN = all_logits(operands);
  exclude_positives(logits_BN, first_row);
  return (at::logsumexp(logits_BN, 1) - positive_logits(operands)).mean() / operands.inv_tau;
}

}  // namespace cloob
