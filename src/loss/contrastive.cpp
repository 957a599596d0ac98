#include "cloob/loss/contrastive.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/softplus.h>

#include "cloob/base/error.h"
#include "cloob/base/full_precision.h"
#include "cloob/base/tiles.h"
#include "loss/contrast_terms.h"

namespace cloob {
namespace {

enum class Loss { info_nce, info_loob };
enum class Directions { one, both };

struct Contrast {
  Loss loss;
  Directions directions = Directions::one;
  std::int64_t first_row = 0;
  std::int64_t tile = 0;
  at::Tensor* log_odds = nullptr;
};

// Minus the logarithm of the partner's share 1 / (1 + exp(L)) in the softmax. Above its threshold LibTorch
// takes L itself; fp64 would notice its default of 20.
at::Tensor info_nce_of_log_odds(const at::Tensor& log_odds) {
  return at::softplus(log_odds, /*beta=*/1, /*threshold=*/40);
}

// (1/N) sum_i of InfoNCE's or InfoLOOB's terms, for both directions the sum of the two.
at::Tensor contrast(const at::Tensor& anchor_BD, const at::Tensor& sample_ND, const at::Tensor& inv_tau,
                    const Contrast& contrast) {
  CLOOB_CHECK(anchor_BD.dim() == 2 && sample_ND.dim() == 2 && anchor_BD.size(1) == sample_ND.size(1),
              "features must be two matrices of equal width");
  const OutsideAutocast outside_autocast;
  const auto narrow_type = c10::promoteTypes(anchor_BD.scalar_type(), sample_ND.scalar_type());
  const auto type = c10::promoteTypes(narrow_type, at::kFloat);
  const bool loob = contrast.loss == Loss::info_loob;
  const ContrastTerms terms = contrast_terms(anchor_BD.to(type), sample_ND.to(type), inv_tau.to(type),
                                             {.first_row = contrast.first_row,
                                              .divide_by_scale = loob,
                                              .columns = contrast.directions == Directions::both,
                                              .tile = tile_side(contrast.tile)});
  const auto sum_of = [&](const at::Tensor& of_pairs) {
    return (loob ? of_pairs : info_nce_of_log_odds(of_pairs)).sum() / sample_ND.size(0);
  };
  const bool is_both = contrast.directions == Directions::both;
  if (contrast.log_odds != nullptr) {
    const at::Tensor all = is_both ? at::cat({terms.rows_B, terms.columns_N}) : terms.rows_B;
    *contrast.log_odds = (loob ? all * inv_tau.to(type) : all).detach();
  }
  const at::Tensor one = sum_of(terms.rows_B);
  return is_both ? one + sum_of(terms.columns_N) : one;
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
                    std::int64_t first_row, std::int64_t tile, at::Tensor* log_odds) {
  require_a_pair(sample_ND);
  return contrast(anchor_BD, sample_ND, inv_tau,
                  {.loss = Loss::info_nce, .first_row = first_row, .tile = tile, .log_odds = log_odds});
}

at::Tensor info_loob(const at::Tensor& anchor_BD, const at::Tensor& sample_ND, const at::Tensor& inv_tau,
                     std::int64_t first_row, std::int64_t tile, at::Tensor* log_odds) {
  require_negatives(sample_ND);
  return contrast(anchor_BD, sample_ND, inv_tau,
                  {.loss = Loss::info_loob, .first_row = first_row, .tile = tile, .log_odds = log_odds});
}

at::Tensor symmetric_info_nce(const at::Tensor& x_ND, const at::Tensor& y_ND, const at::Tensor& inv_tau,
                              std::int64_t tile, at::Tensor* log_odds) {
  require_a_pair(y_ND);
  return contrast(
      x_ND, y_ND, inv_tau,
      {.loss = Loss::info_nce, .directions = Directions::both, .tile = tile, .log_odds = log_odds});
}

at::Tensor symmetric_info_loob(const at::Tensor& x_ND, const at::Tensor& y_ND, const at::Tensor& inv_tau,
                               std::int64_t tile, at::Tensor* log_odds) {
  require_negatives(y_ND);
  return contrast(
      x_ND, y_ND, inv_tau,
      {.loss = Loss::info_loob, .directions = Directions::both, .tile = tile, .log_odds = log_odds});
}

}  // namespace cloob
