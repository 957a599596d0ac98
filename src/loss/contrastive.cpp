#include "cloob/loss/contrastive.h"

#include <ATen/TensorOperators.h>

#include "cloob/base/error.h"
#include "cloob/base/full_precision.h"
#include "cloob/base/tiles.h"
#include "loss/contrast_terms.h"

namespace cloob {
namespace {

enum class Directions { one, both };

struct Contrast {
  std::int64_t first_row = 0;
  bool leave_out_partners = false;
  Directions directions = Directions::one;
  std::int64_t tile = 0;
};

// (1/N) sum_i [ log sum_j exp(s a_i.b_j) - s a_i.b_i ], for both directions the sum of the two.
at::Tensor contrast(const at::Tensor& anchor_BD, const at::Tensor& sample_ND, const at::Tensor& inv_tau,
                    const Contrast& contrast) {
  CLOOB_CHECK(anchor_BD.dim() == 2 && sample_ND.dim() == 2 && anchor_BD.size(1) == sample_ND.size(1),
              "features must be two matrices of equal width");
  const auto narrow_type = c10::promoteTypes(anchor_BD.scalar_type(), sample_ND.scalar_type());
  const auto type = c10::promoteTypes(narrow_type, at::kFloat);
  const ContrastTerms terms = contrast_terms(anchor_BD.to(type), sample_ND.to(type), inv_tau.to(type),
                                             {.first_row = contrast.first_row,
                                              .leave_out_partners = contrast.leave_out_partners,
                                              .columns = contrast.directions == Directions::both,
                                              .tile = tile_side(contrast.tile)});
  const std::int64_t num_pairs = sample_ND.size(0);
  const at::Tensor one = terms.rows_B.sum() / num_pairs;
  return contrast.directions == Directions::one ? one : one + terms.columns_N.sum() / num_pairs;
}

void require_a_pair(const at::Tensor& sample_ND) {
  if (sample_ND.size(0) == 0) throw_user_error("InfoNCE needs at least one pair, this batch has none");
}

void require_negatives(const at::Tensor& sample_ND) {
  if (sample_ND.size(0) >= 2) return;
  throw_user_error(
      "InfoLOOB needs at least two pairs, because the others are its negatives; this batch has {}: use a "
      "larger train.global_batch_size",
      sample_ND.size(0));
}

}  // namespace

at::Tensor info_nce(const at::Tensor& anchor_BD, const at::Tensor& sample_ND, const at::Tensor& inv_tau,
                    std::int64_t first_row, std::int64_t tile) {
  require_a_pair(sample_ND);
  const OutsideAutocast outside_autocast;
  return contrast(anchor_BD, sample_ND, inv_tau, {.first_row = first_row, .tile = tile});
}

at::Tensor info_loob(const at::Tensor& anchor_BD, const at::Tensor& sample_ND, const at::Tensor& inv_tau,
                     std::int64_t first_row, std::int64_t tile) {
  require_negatives(sample_ND);
  const OutsideAutocast outside_autocast;
  const at::Tensor terms = contrast(anchor_BD, sample_ND, inv_tau,
                                    {.first_row = first_row, .leave_out_partners = true, .tile = tile});
  return terms / inv_tau.to(terms.scalar_type());
}

at::Tensor symmetric_info_nce(const at::Tensor& x_ND, const at::Tensor& y_ND, const at::Tensor& inv_tau,
                              std::int64_t tile) {
  require_a_pair(y_ND);
  const OutsideAutocast outside_autocast;
  return contrast(x_ND, y_ND, inv_tau, {.directions = Directions::both, .tile = tile});
}

at::Tensor symmetric_info_loob(const at::Tensor& x_ND, const at::Tensor& y_ND, const at::Tensor& inv_tau,
                               std::int64_t tile) {
  require_negatives(y_ND);
  const OutsideAutocast outside_autocast;
  const at::Tensor terms = contrast(
      x_ND, y_ND, inv_tau, {.leave_out_partners = true, .directions = Directions::both, .tile = tile});
  return terms / inv_tau.to(terms.scalar_type());
}

}  // namespace cloob
