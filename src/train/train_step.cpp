#include "cloob/train/train_step.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <utility>
#include <vector>

#include "cloob/base/error.h"
#include "cloob/base/tiles.h"
#include "cloob/nn/layers.h"
#include "cloob/nn/random_state.h"
#include "cloob/optim/logit_scale.h"
#include "train/prefixed_tensors.h"

namespace cloob {
namespace {

// Overflow costs half of the scale each time; below this the gradients themselves are not finite.
constexpr double kSmallestLossScale = 1e-3;

NamedTensors trained_tensors(const DualEncoder& model, const ContrastiveObjective& objective) {
  NamedTensors parameters = objective.parameters();
  for (const auto& item : model->named_parameters()) parameters.emplace(item.key(), item.value());
  return parameters;
}

std::optional<LossScaler> make_loss_scaler(Precision precision, c10::Device device) {
  if (precision != Precision::fp16) return std::nullopt;
  return LossScaler(LossScalerOptions{}, device);
}

}  // namespace

TrainStep::TrainStep(const RunConfig& config, DualEncoder model, c10::Device device)
    : precision_(config.train.precision),
      num_parts_(config.train.gradient_cache_parts),
      grad_clip_norm_(config.optimizer.grad_clip_norm),
      logit_scale_bounds_(
          logit_scale_bounds(config.loss.inv_tau_min, config.loss.inv_tau_max, config.reference)),
      device_(device),
      model_(std::move(model)),
      objective_(config.loss, config.retrieval, device),
      parameters_(trained_tensors(model_, objective_)),
      optimizer_(parameters_, config.optimizer, config.reference),
      scaler_(make_loss_scaler(precision_, device)) {}

StepReport TrainStep::run(const Batch& batch, std::int64_t step, double lr) {
  optimizer_.zero_grad();
  StepReport report;
  report.num_pairs = batch.size();
  report.lr = lr;
  report.loss = num_parts_ > 1 ? compute_gradients_in_parts(batch, step) : compute_gradients(batch, step);
  update_weights(report, step);
  return report;
}

TrainStep::Features TrainStep::encode(const Batch& batch, std::int64_t first, std::int64_t count) {
  const Autocast autocast(device_.type(), precision_);
  return {model_->encode_image(batch.images_BCHW.narrow(0, first, count).to(device_)),
          model_->encode_text(batch.tokens_BL.narrow(0, first, count),
                              batch.end_positions_B.narrow(0, first, count))};
}

// Returns the loss.
at::Tensor TrainStep::backward(const Features& features, std::int64_t step) {
  const at::Tensor loss =
      objective_.evaluate(features.image_BD, features.text_BD, model_->inv_tau(), gather_, step).loss;
  (scaler_ ? scaler_->scale(loss) : loss).backward();
  return loss.detach();
}

at::Tensor TrainStep::compute_gradients(const Batch& batch, std::int64_t step) {
  return backward(encode(batch, 0, batch.size()), step);
}

// Gao et al., 2021, "Scaling deep contrastive learning batch size under memory limited setup": the features
// of all parts without what their gradients need, one loss over all of them, and then each part once more,
// through which the gradients of its features go back. The temperature gets its gradient from the one loss.
at::Tensor TrainStep::compute_gradients_in_parts(const Batch& batch, std::int64_t step) {
  const std::int64_t part = (batch.size() + num_parts_ - 1) / num_parts_;
  std::vector<at::Tensor> images, texts, random_states;
  {
    const at::NoGradGuard no_grad;
    const KeepRunningStatistics keep;
    for_each_piece(batch.size(), part, [&](std::int64_t first, std::int64_t count) {
      random_states.push_back(random_state(device_));
      const Features features = encode(batch, first, count);
      images.push_back(features.image_BD);
      texts.push_back(features.text_BD);
    });
  }
  const Features all{at::cat(images).requires_grad_(), at::cat(texts).requires_grad_()};
  at::Tensor loss = backward(all, step);
  std::size_t number = 0;
  for_each_piece(batch.size(), part, [&](std::int64_t first, std::int64_t count) {
    set_random_state(device_, random_states[number++]);
    const Features features = encode(batch, first, count);
    torch::autograd::backward(
        {features.image_BD, features.text_BD},
        {all.image_BD.grad().narrow(0, first, count), all.text_BD.grad().narrow(0, first, count)});
  });
  return loss;
}

void TrainStep::update_weights(StepReport& report, std::int64_t step) {
  const bool overflowed = scaler_ && !scaler_->unscale(parameters_);
  report.norms = gradient_norms(parameters_);
  // Gradients that overflowed in fp16 cost the step and lower the scale; a loss that is not finite is never
  // mended so.
  if (!overflowed || !std::isfinite(report.loss.item<double>())) {
    require_finite(report.loss, report.norms, step + 1);
    if (grad_clip_norm_) clip_gradients(parameters_, report.norms.all, *grad_clip_norm_);
    optimizer_.step(report.lr);
    clamp_logit_scale(model_->logit_scale(), logit_scale_bounds_);
  }
  if (scaler_) scaler_->update();
  if (overflowed && scaler_->current_scale() < kSmallestLossScale) {
    throw_user_error(
        "step {}: gradients overflow fp16 at any loss scale; the weights were left as they were before. "
        "Resume with train.precision bf16 or fp32, or with a lower optimizer.lr",
        step + 1);
  }
}

std::optional<double> TrainStep::loss_scale() const {
  return scaler_ ? std::optional(scaler_->current_scale()) : std::nullopt;
}

NamedTensors TrainStep::state() const {
  NamedTensors state;
  add_with_prefix(state, "optimizer.", optimizer_.state());
  add_with_prefix(state, "objective.", objective_.state());
  if (scaler_) add_with_prefix(state, "scaler.", scaler_->state());
  return state;
}

void TrainStep::load_state(const NamedTensors& state) {
  optimizer_.load_state(with_prefix_removed(state, "optimizer."));
  objective_.load_state(with_prefix_removed(state, "objective."));
  if (scaler_) scaler_->load_state(with_prefix_removed(state, "scaler."));
}

}  // namespace cloob
