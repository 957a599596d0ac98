#include "cloob/objective/contrastive_objective.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/full.h>
#include <ATen/ops/scalar_tensor.h>

#include <cmath>

#include "cloob/base/error.h"
#include "cloob/base/full_precision.h"
#include "cloob/loss/contrastive.h"
#include "cloob/retrieval/hopfield.h"

namespace cloob {

ContrastiveObjective::ContrastiveObjective(const LossConfig& loss, const RetrievalConfig& retrieval,
                                           c10::Device device)
    : loss_(loss), retrieval_(retrieval) {
  if (retrieval.kind == RetrievalKind::none || !retrieval.learn_beta) return;
  log_beta_ = at::full({}, std::log(retrieval.beta), at::TensorOptions(device).dtype(at::kFloat));
  log_beta_.set_requires_grad(true);
}

ObjectiveOutput ContrastiveObjective::evaluate(const at::Tensor& image_BD, const at::Tensor& text_BD,
                                               const at::Tensor& inv_tau, const Gather& gather,
                                               std::int64_t step) const {
  CLOOB_CHECK(image_BD.sizes() == text_BD.sizes(),
              "every image feature needs a text feature of the same size");
  const OutsideAutocast outside_autocast;
  const at::Tensor x_BD = at_least_fp32(image_BD), y_BD = at_least_fp32(text_BD);
  const at::Tensor x_ND = gather.gather(x_BD), y_ND = gather.gather(y_BD);
  if (x_ND.size(0) < kFewestPairs) {
    throw_user_error(
        "a contrastive objective needs at least {} pairs, this batch has {}: use a larger "
        "train.global_batch_size",
        kFewestPairs, x_ND.size(0));
  }
  const auto loss = [&](const at::Tensor& anchor_BD, const at::Tensor& sample_ND) {
    const std::int64_t first_row = gather.first_row();
    return loss_.kind == LossKind::info_nce
               ? info_nce(anchor_BD, sample_ND, inv_tau, first_row, loss_.tile_size)
               : info_loob(anchor_BD, sample_ND, inv_tau, first_row, loss_.tile_size);
  };
  const bool has_all_rows = x_ND.size(0) == x_BD.size(0);
  if (retrieval_.kind == RetrievalKind::none && has_all_rows) {
    const auto both_ways = loss_.kind == LossKind::info_nce ? &info_nce_both_ways : &info_loob_both_ways;
    return {of_directions(both_ways(x_BD, y_BD, inv_tau, loss_.tile_size))};
  }
  if (retrieval_.kind == RetrievalKind::none) return {of_directions(loss(x_BD, y_ND) + loss(y_BD, x_ND))};

  const double share = retrieved_share(step, retrieval_.warmup_steps);
  PairRetrievals found = has_all_rows && retrieval_.update_steps == 1
                             ? hopfield_retrieve_pairs(x_BD, y_BD, beta(), loss_.tile_size)
                             : PairRetrievals{retrieve(x_BD, x_ND), retrieve(y_BD, x_ND),
                                              retrieve(x_BD, y_ND), retrieve(y_BD, y_ND)};
  for (at::Tensor* const of_image : {&found.u_x_ND, &found.v_x_ND})
    *of_image = blend_retrieved(x_BD, *of_image, share);
  for (at::Tensor* const of_text : {&found.u_y_ND, &found.v_y_ND})
    *of_text = blend_retrieved(y_BD, *of_text, share);
  return {of_directions(loss(found.u_x_ND, gather.gather(found.u_y_ND)) +
                        loss(found.v_y_ND, gather.gather(found.v_x_ND)))};
}

// The reference code of CLIP averages the two directions, that of CLOOB adds them.
at::Tensor ContrastiveObjective::of_directions(const at::Tensor& sum) const {
  return loss_.kind == LossKind::info_nce ? sum / 2 : sum;
}

at::Tensor ContrastiveObjective::retrieve(const at::Tensor& state_BD, const at::Tensor& stored_ND) const {
  return hopfield_retrieve(state_BD, stored_ND, beta(), retrieval_.update_steps, loss_.tile_size);
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
        "the checkpoint has no learned beta ('{}'): set retrieval.learn_beta to false, or start from a "
        "checkpoint of a run that learned it",
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
