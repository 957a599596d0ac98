#include "cloob/objective/contrastive_objective.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/scalar_tensor.h>

#include <cmath>

#include "cloob/base/error.h"
#include "cloob/base/full_precision.h"
#include "cloob/loss/contrastive.h"

namespace cloob {
namespace {

/// The learned logarithm of the retrieval's beta.
constexpr const char* kLogBeta = "log_beta";

using DirectedLoss = at::Tensor(const at::Tensor& anchor_BD, const at::Tensor& sample_ND,
                                const at::Tensor& inv_tau, std::int64_t first_row, std::int64_t tile,
                                at::Tensor* log_odds);

void require_pairs(const at::Tensor& image_BD, const at::Tensor& text_BD, std::int64_t num_pairs) {
  CLOOB_CHECK(image_BD.sizes() == text_BD.sizes(), "image and text features must have the same shape");
  if (num_pairs >= ContrastiveObjective::kMinPairs) return;
  throw_user_error(
      "a contrastive objective needs at least {} pairs, this batch has {}: use a larger "
      "train.global_batch_size",
      ContrastiveObjective::kMinPairs, num_pairs);
}

void blend(PairRetrievals& retrieved, const at::Tensor& x_BD, const at::Tensor& y_BD, double fraction) {
  for (at::Tensor* const of_image : {&retrieved.u_x_ND, &retrieved.v_x_ND})
    *of_image = blend_retrieved(x_BD, *of_image, fraction);
  for (at::Tensor* const of_text : {&retrieved.u_y_ND, &retrieved.v_y_ND})
    *of_text = blend_retrieved(y_BD, *of_text, fraction);
}

// `num_pairs` of all ranks.
at::Tensor mean_entropy(const PairRetrievals& retrieved, std::int64_t num_pairs) {
  return retrieved.entropy_sum / static_cast<double>(4 * num_pairs);
}

}  // namespace

ContrastiveObjective::ContrastiveObjective(const LossConfig& loss, const RetrievalConfig& retrieval,
                                           c10::Device device)
    : loss_(loss), retrieval_(retrieval) {
  if (retrieval.kind == RetrievalKind::none || !retrieval.learn_beta) return;
  log_beta_ = at::full({}, std::log(retrieval.beta), at::TensorOptions(device).dtype(at::kFloat));
  log_beta_.set_requires_grad(true);
}

at::Tensor ContrastiveObjective::evaluate(const at::Tensor& image_ND, const at::Tensor& text_ND,
                                          const LogitScaling& scaling, double retrieved_fraction,
                                          at::Tensor* entropy) const {
  return evaluate_alone(image_ND, text_ND, scaling, retrieved_fraction, entropy, /*odds=*/nullptr);
}

// The pull of a pair is the derivative of the loss with respect to minus its similarity: inv_tau / N times this weight for
// InfoNCE and the sigmoid loss, 1 / N for InfoLOOB, which has the weight 1 whatever the similarities are.
PairMeasures ContrastiveObjective::measure(const at::Tensor& image_ND, const at::Tensor& text_ND,
                                           const LogitScaling& scaling) const {
  const at::NoGradGuard no_grad;
  Odds odds;
  PairMeasures measures;
  measures.loss = evaluate_alone(image_ND, text_ND, scaling, /*retrieved_fraction=*/1,
                                 &measures.retrieval_entropy, &odds);
  const at::Tensor log_odds = at::cat(odds.log_odds);
  measures.positive_mass = log_odds.neg().sigmoid().mean();
  switch (loss_.kind) {
    case LossKind::info_nce:
      measures.gradient_weight = log_odds.sigmoid().mean();  // 1 - p would lose what is small
      break;
    case LossKind::info_loob:
      measures.gradient_weight = at::ones_like(measures.positive_mass);
      break;
    case LossKind::sigmoid:
      measures.gradient_weight = at::cat(odds.pair_logits).neg().sigmoid().mean();
      break;
  }
  return measures;
}

at::Tensor ContrastiveObjective::evaluate_alone(const at::Tensor& image_ND, const at::Tensor& text_ND,
                                                const LogitScaling& scaling, double retrieved_fraction,
                                                at::Tensor* entropy, Odds* odds) const {
  require_pairs(image_ND, text_ND, image_ND.size(0));
  const OutsideAutocast outside_autocast;
  const at::Tensor x_ND = at_least_fp32(image_ND), y_ND = at_least_fp32(text_ND);
  if (retrieval_.kind == RetrievalKind::none) {
    if (loss_.kind == LossKind::sigmoid) return directed_loss(x_ND, {y_ND}, scaling, odds);
    const auto symmetric = loss_.kind == LossKind::info_nce ? &symmetric_info_nce : &symmetric_info_loob;
    at::Tensor* const log_odds = odds != nullptr ? &odds->log_odds.emplace_back() : nullptr;
    return combine_directions(symmetric(x_ND, y_ND, scaling.inv_tau, loss_.tile_size, log_odds));
  }
  PairRetrievals retrieved = retrieval_.update_steps == 1
                                 ? hopfield_retrieve_pairs(x_ND, y_ND, beta(), loss_.tile_size)
                                 : retrieve(x_ND, y_ND, x_ND, y_ND);
  if (entropy != nullptr) *entropy = mean_entropy(retrieved, x_ND.size(0));
  blend(retrieved, x_ND, y_ND, retrieved_fraction);
  return combine_directions(directed_loss(retrieved.u_x_ND, {retrieved.u_y_ND}, scaling, odds) +
                            directed_loss(retrieved.v_y_ND, {retrieved.v_x_ND}, scaling, odds));
}

// Every rank computes its own rows of each retrieval and loss, so the retrieved rows have to be gathered as
// well.
at::Tensor ContrastiveObjective::evaluate(const at::Tensor& image_BD, const at::Tensor& text_BD,
                                          const LogitScaling& scaling, const Collectives& collectives,
                                          double retrieved_fraction, at::Tensor* entropy) const {
  if (collectives.world_size() == 1) return evaluate(image_BD, text_BD, scaling, retrieved_fraction, entropy);
  const OutsideAutocast outside_autocast;
  const at::Tensor x_BD = at_least_fp32(image_BD), y_BD = at_least_fp32(text_BD);
  const GatheredRows x = collectives.gather_rows(x_BD), y = collectives.gather_rows(y_BD);
  require_pairs(image_BD, text_BD, x.rows_ND.size(0));
  if (retrieval_.kind == RetrievalKind::none) {
    const at::Tensor one = directed_loss(x_BD, y, scaling);
    // The other direction is the same sum.
    return loss_.kind == LossKind::sigmoid ? one : combine_directions(one + directed_loss(y_BD, x, scaling));
  }
  PairRetrievals retrieved = retrieve(x_BD, y_BD, x.rows_ND, y.rows_ND);
  if (entropy != nullptr) *entropy = mean_entropy(retrieved, x.rows_ND.size(0));
  blend(retrieved, x_BD, y_BD, retrieved_fraction);
  return combine_directions(
      directed_loss(retrieved.u_x_ND, collectives.gather_rows(retrieved.u_y_ND), scaling) +
      directed_loss(retrieved.v_y_ND, collectives.gather_rows(retrieved.v_x_ND), scaling));
}

at::Tensor ContrastiveObjective::directed_loss(const at::Tensor& anchor_BD, const GatheredRows& samples,
                                               const LogitScaling& scaling, Odds* odds) const {
  const auto& [sample_ND, first_row] = samples;
  if (loss_.kind == LossKind::sigmoid) {
    if (odds != nullptr) add_odds_of_sigmoid(anchor_BD, sample_ND, scaling, *odds);
    return sigmoid_loss(anchor_BD, sample_ND, scaling.inv_tau, scaling.bias, first_row, loss_.tile_size);
  }
  at::Tensor* const log_odds = odds != nullptr ? &odds->log_odds.emplace_back() : nullptr;
  const auto loss = loss_.kind == LossKind::info_nce ? static_cast<DirectedLoss*>(&info_nce)
                                                     : static_cast<DirectedLoss*>(&info_loob);
  return loss(anchor_BD, sample_ND, scaling.inv_tau, first_row, loss_.tile_size, log_odds);
}

void ContrastiveObjective::add_odds_of_sigmoid(const at::Tensor& anchor_ND, const at::Tensor& sample_ND,
                                               const LogitScaling& scaling, Odds& odds) const {
  symmetric_info_nce(anchor_ND, sample_ND, scaling.inv_tau, loss_.tile_size, &odds.log_odds.emplace_back());
  odds.pair_logits.push_back(scaling.inv_tau * (anchor_ND * sample_ND).sum(1) + scaling.bias);
}

double ContrastiveObjective::chance_loss(std::int64_t num_pairs, double inv_tau) const {
  const auto n = static_cast<double>(num_pairs);
  if (loss_.kind == LossKind::info_loob) return 2 * std::log(n - 1) / inv_tau;
  return std::log(n) + (loss_.kind == LossKind::sigmoid ? (n - 1) * std::log(n / (n - 1)) : 0);
}

double ContrastiveObjective::retrieved_fraction_at(std::int64_t step) const {
  return retrieved_fraction(step, first_steady_step());
}

// CLIP's reference code averages the two directions, CLOOB's adds them. The two sums of the sigmoid loss with retrieval
// are averaged, so that it is as large as without.
at::Tensor ContrastiveObjective::combine_directions(const at::Tensor& sum) const {
  return loss_.kind == LossKind::info_loob ? sum : sum / 2;
}

PairRetrievals ContrastiveObjective::retrieve(const at::Tensor& x_BD, const at::Tensor& y_BD,
                                              const at::Tensor& x_ND, const at::Tensor& y_ND) const {
  const auto from = [&](const at::Tensor& stored_ND, const at::Tensor& state_BD) {
    return hopfield_retrieve_with_entropy(state_BD, stored_ND, beta(), retrieval_.update_steps,
                                          loss_.tile_size);
  };
  const Retrieval u_x = from(x_ND, x_BD), u_y = from(x_ND, y_BD), v_x = from(y_ND, x_BD),
                  v_y = from(y_ND, y_BD);
  return {u_x.pattern_BD, u_y.pattern_BD, v_x.pattern_BD, v_y.pattern_BD,
          (u_x.entropy_B + u_y.entropy_B + v_x.entropy_B + v_y.entropy_B).sum()};
}

at::Tensor ContrastiveObjective::beta() const {
  return log_beta_.defined() ? log_beta_.exp() : at::scalar_tensor(retrieval_.beta, at::kDouble);
}

NamedTensors ContrastiveObjective::parameters() const {
  NamedTensors named;
  if (log_beta_.defined()) named.emplace(kLogBeta, log_beta_);
  return named;
}

void ContrastiveObjective::load_state(const NamedTensors& state) {
  const auto saved = state.find(kLogBeta);
  if (log_beta_.defined() && saved == state.end()) {
    throw_user_error(
        "the checkpoint has no learned beta ('{}'): set retrieval.learn_beta to false, or use a checkpoint "
        "of a run that learned it",
        kLogBeta);
  }
  for (const auto& [name, tensor] : state) {
    if (!log_beta_.defined() || name != kLogBeta || tensor.numel() != 1) {
      throw_user_error(
          "the checkpoint's tensor '{}' ({} elements) does not belong to this objective: resume with the "
          "loss.* and retrieval.* settings that the run was started with",
          name, tensor.numel());
    }
  }
  if (!log_beta_.defined()) return;
  const at::NoGradGuard no_grad;
  log_beta_.copy_(saved->second.reshape({}));
}

}  // namespace cloob
