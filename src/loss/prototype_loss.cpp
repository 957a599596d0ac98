#include "cloob/loss/prototype_loss.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/max.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/softplus.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <limits>

#include "cloob/base/error.h"
#include "cloob/base/full_precision.h"
#include "cloob/base/running_average.h"
#include "cloob/base/tiles.h"

namespace cloob {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Calls visit(row, column, scores, prototypes) for one tile of the scores queries prototypes^T after the other; the next tile
/// overwrites the scores. A tile has at most side^2 of them: the fewer queries there are, the more prototypes.
template <class Visit>
void for_each_tile(const at::Tensor& query_BD, const at::Tensor& prototypes_KD, std::int64_t side,
                   const Visit& visit) {
  const std::int64_t max_rows = std::clamp<std::int64_t>(query_BD.size(0), 1, side);
  const std::int64_t max_columns = std::min(side * side / max_rows, prototypes_KD.size(0));
  const at::Tensor memory = at::empty({max_rows * max_columns}, query_BD.options());
  for_each_piece(query_BD.size(0), max_rows, [&](std::int64_t row, std::int64_t rows) {
    const at::Tensor query_RD = query_BD.narrow(0, row, rows);
    for_each_piece(prototypes_KD.size(0), max_columns, [&](std::int64_t column, std::int64_t columns) {
      const at::Tensor prototype_CD = prototypes_KD.narrow(0, column, columns);
      at::Tensor scores_RC = memory.narrow(0, 0, rows * columns).view({rows, columns});
      at::mm_out(scores_RC, query_RD, prototype_CD.t());
      visit(row, column, scores_RC, prototype_CD);
    });
  });
}

/// Which prototype has a row's largest score: the one of its label, or another.
class Ranking {
 public:
  Ranking(const at::Tensor& own_B1, const at::TensorOptions& options)
      : own_B1_(own_B1),
        own_score_B1_(at::full(own_B1.sizes(), -kInfinity, options)),
        best_score_B1_(own_score_B1_.clone()),
        best_B1_(at::zeros(own_B1.sizes(), own_B1.options())) {}

  /// Notes the scores of a tile and replaces those of own prototypes by minus infinity. Tiles of the same rows come in
  /// the order of their columns.
  void take_own_out(std::int64_t row, std::int64_t column, const at::Tensor& scores_RC) {
    const std::int64_t rows = scores_RC.size(0), columns = scores_RC.size(1);
    const at::Tensor offset_R1 = own_B1_.narrow(0, row, rows) - column;
    const at::Tensor is_outside_R1 = (offset_R1 < 0).logical_or_(offset_R1 >= columns);
    const at::Tensor inside_R1 = offset_R1.clamp(0, columns - 1);
    const at::Tensor score_R1 = scores_RC.gather(1, inside_R1);
    at::Tensor own_score_R1 = own_score_B1_.narrow(0, row, rows);
    own_score_R1.copy_(at::where(is_outside_R1, own_score_R1, score_R1));
    scores_RC.scatter_(1, inside_R1, at::where(is_outside_R1, score_R1, -kInfinity));

    const auto [largest_R1, index_R1] = at::max(scores_RC, 1, /*keepdim=*/true);
    at::Tensor best_score_R1 = best_score_B1_.narrow(0, row, rows), best_R1 = best_B1_.narrow(0, row, rows);
    const at::Tensor is_better_R1 = largest_R1 > best_score_R1;
    best_R1.copy_(at::where(is_better_R1, index_R1 + column, best_R1));
    best_score_R1.copy_(at::where(is_better_R1, largest_R1, best_score_R1));
  }
  at::Tensor own_is_first_B() const {
    const at::Tensor is_earlier_of_equals =
        (own_score_B1_ == best_score_B1_).logical_and_(own_B1_ < best_B1_);
    return (own_score_B1_ > best_score_B1_).logical_or_(is_earlier_of_equals).squeeze(1);
  }

 private:
  at::Tensor own_B1_;
  at::Tensor own_score_B1_;
  at::Tensor best_score_B1_, best_B1_;  ///< of the others
};

class PrototypeLossFunction : public torch::autograd::Function<PrototypeLossFunction> {
 public:
  // With L the log-odds of the others against a row's own prototype p_y, and a the others' average weighted by their
  // softmax, the row's loss is log(1 + exp(L)) + s h.(p_y - expected), and the gradient of s h is
  // sigmoid(L) (a - p_y) + (p_y - expected): differences that are exactly 0 with hard targets.
  static variable_list forward(AutogradContext* context, const at::Tensor& features_BD,
                               const at::Tensor& prototypes_KD, const at::Tensor& expected_KD,
                               const at::Tensor& labels_B, const at::Tensor& scale, std::int64_t num_samples,
                               std::int64_t tile) {
    const at::Tensor has_label_B = labels_B >= 0;
    const at::Tensor own_B = labels_B.clamp_min(0);
    const at::Tensor query_BD = features_BD * scale;
    RunningAverage others(query_BD.size(0), prototypes_KD);
    Ranking ranking(own_B.unsqueeze(1), query_BD.options());
    for_each_tile(query_BD, prototypes_KD, tile,
                  [&](std::int64_t row, std::int64_t column, const at::Tensor& scores_RC,
                      const at::Tensor& prototype_CD) {
                    ranking.take_own_out(row, column, scores_RC);
                    others.add(row, scores_RC, prototype_CD, scores_RC);
                  });
    others.finish();

    const at::Tensor own_BD = prototypes_KD.index_select(0, own_B);
    const at::Tensor own_minus_expected_BD = own_BD - expected_KD.index_select(0, own_B);
    // A sum of products rounds less than a matrix product does.
    const at::Tensor log_odds_B1 = others.log_sum_B1 - (query_BD * own_BD).sum(1, /*keepdim=*/true);
    // Above its threshold LibTorch takes the log-odds themselves; fp64 would notice its default of 20.
    const at::Tensor loss_B = at::softplus(log_odds_B1.squeeze(1), /*beta=*/1, /*threshold=*/40) +
                              (query_BD * own_minus_expected_BD).sum(1);
    const at::Tensor direction_BD =
        (others.average_BD - own_BD).mul_(log_odds_B1.sigmoid()).add_(own_minus_expected_BD);
    const double weight = 1.0 / static_cast<double>(std::max<std::int64_t>(num_samples, 1));
    const at::Tensor grad_query_BD = at::where(has_label_B.unsqueeze(1), direction_BD, 0).mul_(weight);
    const at::Tensor grad_scale =
        at::where(has_label_B, (features_BD * grad_query_BD).sum(1), 0).sum(at::kDouble);
    context->save_for_backward({grad_query_BD.mul_(scale), grad_scale});

    const at::Tensor num_correct = ranking.own_is_first_B().logical_and_(has_label_B).sum(at::kFloat);
    context->mark_non_differentiable({num_correct});
    return {at::where(has_label_B, loss_B, 0).sum().mul_(weight), num_correct};
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor& grad = gradients[0];
    return {saved[0] * grad, {}, {}, {}, (saved[1] * grad).to(grad.scalar_type()), {}, {}};
  }
};

}  // namespace

at::Tensor expected_prototypes(const at::Tensor& prototypes_KD, const at::Tensor& teacher_KE,
                               double temperature, std::int64_t tile) {
  const std::int64_t num_prototypes = prototypes_KD.size(0);
  CLOOB_CHECK(prototypes_KD.dim() == 2 && teacher_KE.dim() == 2 && teacher_KE.size(0) == num_prototypes,
              "{} prototypes of the student, {} of the teacher", num_prototypes, teacher_KE.size(0));
  const at::NoGradGuard no_grad;
  const OutsideAutocast outside_autocast;
  const auto type =
      c10::promoteTypes(c10::promoteTypes(prototypes_KD.scalar_type(), teacher_KE.scalar_type()), at::kFloat);
  const at::Tensor prototypes = prototypes_KD.detach().to(type), teacher = teacher_KE.to(type);
  if (!(temperature > 0)) return prototypes;
  RunningAverage average(num_prototypes, prototypes);
  for_each_tile(teacher / temperature, teacher, tile_side(tile),
                [&](std::int64_t row, std::int64_t column, const at::Tensor& scores_RC, const at::Tensor&) {
                  average.add(row, scores_RC, prototypes.narrow(0, column, scores_RC.size(1)), scores_RC);
                });
  average.finish();
  return average.average_BD;
}

at::Tensor prototype_loss(const at::Tensor& features_BD, const at::Tensor& prototypes_KD,
                          const at::Tensor& expected_KD, const at::Tensor& labels_B,
                          const at::Tensor& inv_tau, std::int64_t num_samples, std::int64_t tile,
                          at::Tensor* num_correct) {
  CLOOB_CHECK(
      features_BD.dim() == 2 && prototypes_KD.dim() == 2 && features_BD.size(1) == prototypes_KD.size(1),
      "features and prototypes must be two matrices of equal width");
  CLOOB_CHECK(prototypes_KD.size(0) >= 1 && prototypes_KD.sizes() == expected_KD.sizes(),
              "{} prototypes and {} expected ones", prototypes_KD.size(0), expected_KD.size(0));
  CLOOB_CHECK(
      labels_B.dim() == 1 && labels_B.size(0) == features_BD.size(0) && labels_B.scalar_type() == at::kLong,
      "{} features need as many int64 labels", features_BD.size(0));
  if (labels_B.is_cpu() && labels_B.numel() > 0) {
    CLOOB_CHECK(labels_B.max().item<std::int64_t>() < prototypes_KD.size(0), "label {} of {} prototypes",
                labels_B.max().item<std::int64_t>(), prototypes_KD.size(0));
  }
  const OutsideAutocast outside_autocast;
  const auto narrow_type = c10::promoteTypes(features_BD.scalar_type(), prototypes_KD.scalar_type());
  const auto type = c10::promoteTypes(narrow_type, at::kFloat);
  const variable_list results = PrototypeLossFunction::apply(
      features_BD.to(type), prototypes_KD.detach().to(type), expected_KD.detach().to(type), labels_B,
      inv_tau.to(type), num_samples, tile_side(tile));
  if (num_correct != nullptr) *num_correct = results[1];
  return results[0];
}

}  // namespace cloob
