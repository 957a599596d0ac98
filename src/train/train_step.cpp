#include "cloob/train/train_step.h"

#include <ATen/core/grad_mode.h>
#include <ATen/record_function.h>

#include <cmath>
#include <utility>
#include <vector>

#include "cloob/base/error.h"
#include "cloob/base/tensor_copies.h"
#include "cloob/model/weights.h"
#include "cloob/optim/logit_scale.h"
#include "train/prefixed_tensors.h"
#include "train/step_gradients.h"

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

NamedTensors buffers_of(const DualEncoder& model) {
  NamedTensors buffers;
  for (const auto& item : model->named_buffers()) buffers.emplace(item.key(), item.value());
  return buffers;
}

}  // namespace

TrainStep::TrainStep(const RunConfig& config, DualEncoder model, c10::Device device)
    : grad_clip_norm_(config.optimizer.grad_clip_norm),
      ema_decay_(config.optimizer.ema_decay),
      fixed_inv_tau_(config.loss.learn_inv_tau ? std::nullopt : std::optional(config.loss.inv_tau)),
      logit_scale_bounds_(
          logit_scale_bounds(config.loss.inv_tau_min, config.loss.inv_tau_max, config.reference)),
      model_(std::move(model)),
      objective_(config.loss, config.retrieval, device),
      parameters_(trained_tensors(model_, objective_)),
      optimizer_(parameters_, config.optimizer, config.reference),
      scaler_(make_loss_scaler(precision_of(config.train), device)),
      spike_guard_(make_spike_guard(config.optimizer.spike_guard)),
      average_(make_average(model_, ema_decay_)),
      gradients_(std::make_unique<StepGradients>(config, model_, objective_, parameters_,
                                                 scaler_ ? &*scaler_ : nullptr, device, graphs_of(device))) {}

TrainStep::~TrainStep() = default;

bool TrainStep::reads_images() const { return gradients_->reads_images(); }

StepReport TrainStep::run(const Batch& batch, std::int64_t step, double lr,
                          const std::function<void()>& meanwhile) {
  optimizer_.zero_grad();
  StepReport report;
  report.num_pairs = batch.size();
  report.lr = lr;
  // A forward pass that overflows also ruins the running statistics.
  const NamedTensors buffers = spike_guard_ ? copies_of(buffers_of(model_)) : NamedTensors{};
  report.loss = gradients_->compute(batch, step);
  if (meanwhile) meanwhile();
  {
    RECORD_USER_SCOPE("optimizer");
    update_weights(report, step);
  }
  if (report.outcome == StepOutcome::skipped) copy_values(buffers_of(model_), buffers);
  return report;
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
