#include "cloob/train/train_step.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/record_function.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <utility>
#include <vector>

#include "cloob/base/error.h"
#include "cloob/base/full_precision.h"
#include "cloob/base/tensor_copies.h"
#include "cloob/base/tiles.h"
#include "cloob/model/weights.h"
#include "cloob/nn/layers.h"
#include "cloob/nn/random_state.h"
#include "cloob/optim/logit_scale.h"
#include "train/feature_cache.h"
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

std::optional<SpikeGuard> make_spike_guard(const SpikeGuardConfig& config) {
  return config.enabled ? std::optional<SpikeGuard>(config) : std::nullopt;
}

std::optional<WeightAverage> make_average(const DualEncoder& model, std::optional<double> decay) {
  return decay ? std::optional<WeightAverage>(std::in_place, weights_of(model), *decay) : std::nullopt;
}

std::shared_ptr<FeatureCache> make_cache(const TrainConfig& train, const TowerOptimizerConfig& tower) {
  return train.cache_frozen_features && tower.frozen ? std::make_shared<FeatureCache>() : nullptr;
}

NamedTensors buffers_of(const DualEncoder& model) {
  NamedTensors buffers;
  for (const auto& item : model->named_buffers()) buffers.emplace(item.key(), item.value());
  return buffers;
}

/// Sums of the gradients of bf16 weights over parts, in float32: bf16 would lose small ones.
class NarrowGradientSums {
 public:
  void take_from(const NamedTensors& parameters) {
    const at::NoGradGuard no_grad;
    for (const auto& [name, parameter] : parameters) {
      if (!is_below_fp32(parameter) || !parameter.grad().defined()) continue;
      const auto sum = sums_.find(name);
      if (sum == sums_.end()) {
        sums_.emplace(name, at_least_fp32(parameter.grad()));
      } else {
        sum->second.add_(parameter.grad());
      }
      parameter.mutable_grad().reset();
    }
  }
  void give_to(const NamedTensors& parameters) const {
    for (const auto& [name, sum] : sums_) parameters.at(name).mutable_grad() = sum;
  }

 private:
  NamedTensors sums_;
};

}  // namespace

TrainStep::TrainStep(const RunConfig& config, DualEncoder model, c10::Device device)
    : precision_(precision_of(config.train)),
      num_parts_(config.train.gradient_cache_parts),
      grad_clip_norm_(config.optimizer.grad_clip_norm),
      ema_decay_(config.optimizer.ema_decay),
      fixed_inv_tau_(config.loss.learn_inv_tau ? std::nullopt : std::optional(config.loss.inv_tau)),
      image_is_frozen_(config.optimizer.image.frozen),
      text_is_frozen_(config.optimizer.text.frozen),
      logit_scale_bounds_(
          logit_scale_bounds(config.loss.inv_tau_min, config.loss.inv_tau_max, config.reference)),
      device_(device),
      model_(std::move(model)),
      objective_(config.loss, config.retrieval, device),
      parameters_(trained_tensors(model_, objective_)),
      optimizer_(parameters_, config.optimizer, config.reference),
      scaler_(make_loss_scaler(precision_, device)),
      spike_guard_(make_spike_guard(config.optimizer.spike_guard)),
      average_(make_average(model_, ema_decay_)),
      image_cache_(make_cache(config.train, config.optimizer.image)),
      text_cache_(make_cache(config.train, config.optimizer.text)) {}

StepReport TrainStep::run(const Batch& batch, std::int64_t step, double lr) {
  optimizer_.zero_grad();
  StepReport report;
  report.num_pairs = batch.size();
  report.lr = lr;
  // A forward pass that overflows also ruins the running statistics.
  const NamedTensors buffers = spike_guard_ ? copies_of(buffers_of(model_)) : NamedTensors{};
  report.loss = num_parts_ > 1 ? compute_gradients_in_parts(batch, step) : compute_gradients(batch, step);
  {
    RECORD_USER_SCOPE("optimizer");
    update_weights(report, step);
  }
  if (report.outcome == StepOutcome::skipped) copy_values(buffers_of(model_), buffers);
  return report;
}

TrainStep::Features TrainStep::encode(const Batch& batch, std::int64_t first, std::int64_t count) {
  const Autocast autocast(device_.type(), precision_);
  return {
      encode_images(batch.images_BCHW.narrow(0, first, count)),
      encode_texts(batch.tokens_BL.narrow(0, first, count), batch.end_positions_B.narrow(0, first, count))};
}

at::Tensor TrainStep::encode_images(const at::Tensor& images_BCHW) {
  RECORD_USER_SCOPE("encode images");
  const auto encode_all = [&](const at::Tensor& images) {
    // The batch outlives the copy: every step ends with a wait for the device (see update_weights).
    return model_->encode_image(images.to(device_, /*non_blocking=*/true));
  };
  if (!image_cache_) return encode_all(images_BCHW);
  return image_cache_
      ->features(keys_of_rows(images_BCHW),
                 [&](const at::Tensor& rows_K) { return encode_all(images_BCHW.index_select(0, rows_K)); })
      .to(device_);
}

at::Tensor TrainStep::encode_texts(const at::Tensor& tokens_BL, const at::Tensor& end_positions_B) {
  RECORD_USER_SCOPE("encode texts");
  if (!text_cache_) return model_->encode_text(tokens_BL, end_positions_B);
  return text_cache_
      ->features(keys_of_texts(tokens_BL, end_positions_B),
                 [&](const at::Tensor& rows_K) {
                   return model_->encode_text(tokens_BL.index_select(0, rows_K),
                                              end_positions_B.index_select(0, rows_K));
                 })
      .to(device_);
}

// Returns the loss.
at::Tensor TrainStep::backward(const Features& features, std::int64_t step) {
  const at::Tensor loss = [&] {
    RECORD_USER_SCOPE("objective");
    return objective_.evaluate(features.image_BD, features.text_BD, model_->inv_tau(), gather_, step).loss;
  }();
  RECORD_USER_SCOPE("backward");
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
  // A frozen tower's features need no gradient and no second pass; it draws no random numbers.
  const Features all{at::cat(images).requires_grad_(!image_is_frozen_),
                     at::cat(texts).requires_grad_(!text_is_frozen_)};
  at::Tensor loss = backward(all, step);
  NarrowGradientSums sums;
  std::size_t number = 0;
  for_each_piece(batch.size(), part, [&](std::int64_t first, std::int64_t count) {
    set_random_state(device_, random_states[number++]);
    std::vector<at::Tensor> outputs, gradients;
    const auto add = [&](const at::Tensor& output, const at::Tensor& all_rows) {
      outputs.push_back(output);
      gradients.push_back(all_rows.grad().narrow(0, first, count));
    };
    {
      const Autocast autocast(device_.type(), precision_);
      if (!image_is_frozen_) add(encode_images(batch.images_BCHW.narrow(0, first, count)), all.image_BD);
      if (!text_is_frozen_) {
        add(encode_texts(batch.tokens_BL.narrow(0, first, count),
                         batch.end_positions_B.narrow(0, first, count)),
            all.text_BD);
      }
    }
    RECORD_USER_SCOPE("backward");
    torch::autograd::backward(outputs, gradients);
    sums.take_from(parameters_);
  });
  sums.give_to(parameters_);
  return loss;
}

// Also says so to the guard, which counts; without a guard, harm ends the run.
bool TrainStep::is_harmful(const StepReport& report, std::int64_t step) {
  if (spike_guard_)
    return !spike_guard_->accepts(step, report.loss.item<double>(), report.norms.all.item<double>());
  require_finite(report.loss, report.norms, step + 1);
  return false;
}

void TrainStep::update_weights(StepReport& report, std::int64_t step) {
  const bool gradients_are_finite = !scaler_ || scaler_->unscale(parameters_);
  report.norms = gradient_norms(parameters_);
  // Gradients that overflowed in fp16 cost the step and lower the scale; a loss that is not finite is never
  // mended so.
  if (!gradients_are_finite && std::isfinite(report.loss.item<double>())) {
    report.outcome = StepOutcome::overflowed;
  } else if (is_harmful(report, step)) {
    report.outcome = StepOutcome::skipped;
    return;
  } else {
    if (grad_clip_norm_) clip_gradients(parameters_, report.norms.all, *grad_clip_norm_);
    optimizer_.step(report.lr);
    clamp_logit_scale(model_->logit_scale(), logit_scale_bounds_);
    if (average_) average_->update();
  }
  if (scaler_) lower_or_raise_scale(step);
}

void TrainStep::lower_or_raise_scale(std::int64_t step) {
  scaler_->update();
  if (scaler_->current_scale() >= kSmallestLossScale) return;
  throw_user_error(
      "step {}: gradients overflow fp16 at any loss scale; the weights were left as they were before. "
      "Resume with train.precision bf16 or fp32, or with a lower optimizer.lr",
      step + 1);
}

std::optional<double> TrainStep::loss_scale() const {
  return scaler_ ? std::optional(scaler_->current_scale()) : std::nullopt;
}

NamedTensors TrainStep::weights() const { return average_ ? average_->weights() : weights_of(model_); }

std::unique_ptr<BorrowedWeights> TrainStep::use_weights_to_evaluate() {
  return average_ ? std::make_unique<BorrowedWeights>(weights_of(model_), average_->weights()) : nullptr;
}

NamedTensors TrainStep::state() const {
  NamedTensors state;
  add_with_prefix(state, "optimizer.", optimizer_.state());
  add_with_prefix(state, "objective.", objective_.state());
  if (scaler_) add_with_prefix(state, "scaler.", scaler_->state());
  if (spike_guard_) add_with_prefix(state, "spike_guard.", spike_guard_->state());
  if (average_) {
    add_with_prefix(state, "average.", average_->state());
    add_with_prefix(state, "live.", weights_of(model_));
  }
  return state;
}

void TrainStep::load_state(const NamedTensors& weights, const NamedTensors& state) {
  roll_back(weights, state);
  const NamedTensors guard = with_prefix_removed(state, "spike_guard.");
  if (spike_guard_ && !guard.empty()) spike_guard_->load_state(guard);
}

void TrainStep::roll_back(const NamedTensors& weights, const NamedTensors& state) {
  const NamedTensors live = with_prefix_removed(state, "live.");
  const NamedTensors average = with_prefix_removed(state, "average.");
  load_weights(model_, live.empty() ? weights : live, "the checkpoint");
  if (fixed_inv_tau_) model_->set_inv_tau(*fixed_inv_tau_, /*learned=*/false);
  optimizer_.load_state(with_prefix_removed(state, "optimizer."));
  objective_.load_state(with_prefix_removed(state, "objective."));
  if (scaler_) scaler_->load_state(with_prefix_removed(state, "scaler."));
  if (average_ && average.empty()) average_.emplace(weights_of(model_), *ema_decay_);
  if (average_ && !average.empty()) {
    NamedTensors saved = weights;
    if (fixed_inv_tau_) saved.at("logit_scale") = model_->logit_scale().detach();
    average_->load_state(saved, average);
  }
  if (spike_guard_) spike_guard_->restart_row();
}

}  // namespace cloob
