#include "cloob/train/train_step.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <ATen/record_function.h>

#include <cmath>
#include <utility>
#include <vector>

#include "cloob/base/error.h"
#include "cloob/base/full_precision.h"
#include "cloob/base/prefixed_tensors.h"
#include "cloob/base/tensor_copies.h"
#include "train/backward_order.h"
#include "train/step_gradients.h"

namespace cloob {
namespace {

// Every overflow halves the scale; below this value the unscaled gradients themselves are not finite.
constexpr double kMinLossScale = 1e-3;

std::optional<LossScaler> make_loss_scaler(Precision precision, c10::Device device) {
  if (precision != Precision::fp16) return std::nullopt;
  return LossScaler(LossScalerOptions{}, device);
}

std::optional<SpikeGuard> make_spike_guard(const SpikeGuardConfig& config) {
  return config.enabled ? std::optional<SpikeGuard>(config) : std::nullopt;
}

// Collective operations exchange data by way of the host, which a captured graph cannot.
GraphFactory graphs_for(const TrainConfig& config, const Collectives& collectives, c10::Device device) {
  if (config.cuda_graph && collectives.world_size() > 1)
    throw_user_error("train.cuda_graph needs a run of one process, and this one has {}",
                     collectives.world_size());
  return graphs_of(device);
}

bool shares_optimizer(const RunConfig& config, const Collectives& collectives) {
  return config.distributed.shard_optimizer && collectives.world_size() > 1;
}

// For all parameters that can be summed in their own precision.
std::unique_ptr<GradientSums> make_gradient_sums(const DistributedConfig& config,
                                                 const TrainedParameters& parameters,
                                                 const Collectives& collectives) {
  if (collectives.world_size() == 1) return nullptr;
  std::vector<at::Tensor> summed = in_backward_order(parameters);
  std::erase_if(summed, [](const at::Tensor& parameter) { return is_below_fp32(parameter); });
  return collectives.gradient_sums(
      std::move(summed), {.bucket_bytes = config.bucket_mib << 20, .in_bf16 = config.bf16_gradients});
}

std::optional<WeightEma> make_average(const TrainingTask& task, std::optional<double> decay) {
  return decay ? std::optional<WeightEma>(std::in_place, task.weights(), *decay) : std::nullopt;
}

/// The numbers of a step on the host, in the order in which they are copied.
struct HostStepNumbers {
  StepNumbers step;
  bool has_overflowed = false;  ///< in fp16
  double loss_scale = 1;
};

std::vector<at::Tensor> scalars_to_copy(const StepReport& report, const at::Tensor& overflow,
                                        const LossScaler* scaler) {
  std::vector<at::Tensor> scalars = {report.loss, report.norms.image, report.norms.text, report.norms.all};
  if (scaler != nullptr) scalars.insert(scalars.end(), {overflow, scaler->scale_on_device()});
  return scalars;
}

HostStepNumbers take_numbers(HostNumbers& numbers) {
  const std::vector<double> values = numbers.take();
  HostStepNumbers result{{values[0], values[1], values[2], values[3]}};
  if (values.size() > 4) {
    result.has_overflowed = values[4] != 0;
    result.loss_scale = values[5];
  }
  return result;
}

// float32 scalar: 1 if the loss or the gradients are not finite.
at::Tensor non_finite_flag(const StepReport& report) {
  return report.loss.isfinite().logical_and(report.norms.all.isfinite()).logical_not().to(at::kFloat);
}

}  // namespace

TrainStep::TrainStep(const RunConfig& config, TrainingTask& task, const Collectives& collectives,
                     c10::Device device)
    : grad_clip_norm_(config.optimizer.grad_clip_norm),
      ema_decay_(config.optimizer.ema_decay),
      scales_like_references_(config.train.reference_gradient_scaling),
      device_(device),
      task_(task),
      collectives_(collectives),
      parameters_(task.parameters()),
      optimizer_(parameters_, config.optimizer, config.reference,
                 shares_optimizer(config, collectives) ? &collectives : nullptr),
      scaler_(make_loss_scaler(precision_of(config.train), device)),
      spike_guard_(make_spike_guard(config.optimizer.spike_guard)),
      average_(make_average(task, ema_decay_)),
      gradient_sums_(make_gradient_sums(config.distributed, parameters_, collectives)),
      gradients_(std::make_unique<StepGradients>(config.train, task, scaler_ ? &*scaler_ : nullptr,
                                                 gradient_sums_.get(), device,
                                                 graphs_for(config.train, collectives, device))) {}

TrainStep::~TrainStep() = default;

bool TrainStep::reads_images_on_host() const { return gradients_->reads_images_on_host(); }

void TrainStep::forward_backward(const Batch& batch, std::int64_t step) {
  optimizer_.zero_grad();
  step_ = step;
  // A forward pass that overflows also corrupts the running statistics.
  if (spike_guard_) buffers_before_ = copies_of(buffers());
  images_ = batch.images_BCHW;
  output_ = gradients_->compute(batch, step);
  sum_over_ranks();
}

// A parameter that the loss did not reach has a gradient of zero on any number of ranks, so that its optimizer state is the same.
void TrainStep::fill_missing_gradients() {
  const at::NoGradGuard no_grad;
  for (const auto& [name, parameter] : optimizer_.parameters()) {
    at::Tensor& gradient = parameter.tensor.mutable_grad();
    if (!gradient.defined()) gradient = at::zeros_like(parameter.tensor);
  }
}

// What the backward pass has not summed. Includes every parameter in at least fp32, since all ranks must make the same call: on
// a rank without rows some have no gradient, and gradient caching leaves those of bf16 weights in fp32.
void TrainStep::sum_over_ranks() {
  if (collectives_.world_size() == 1) return fill_missing_gradients();
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> sums = {output_.loss};
  for (const auto& [name, term] : output_.terms) sums.push_back(term);
  for (const auto& [name, parameter] : optimizer_.parameters()) {
    if (gradient_sums_ && !is_below_fp32(parameter.tensor)) continue;
    at::Tensor& gradient = parameter.tensor.mutable_grad();
    gradient = at_least_fp32(gradient.defined() ? gradient : at::zeros_like(parameter.tensor));
    sums.push_back(gradient);
  }
  collectives_.sum_in_place(sums);
  if (scales_like_references_) divide_gradients_of_towers(collectives_.world_size());
}

// The references gather features without gradients, or divide them by the number of ranks; see docs/deviations.md.
void TrainStep::divide_gradients_of_towers(std::int64_t divisor) {
  for (const auto& [name, parameter] : optimizer_.parameters()) {
    if (parameter.tower != Tower::shared || parameter.is_projection_head)
      parameter.tensor.mutable_grad().div_(divisor);
  }
}

StepReport TrainStep::update(const LearningRates& lr) {
  RECORD_USER_SCOPE("optimizer");
  settle();
  StepReport report{.loss = output_.loss, .terms = output_.terms, .norms = {}, .lr = lr};
  const at::Tensor overflow = scaler_ ? scaler_->unscale(parameters_) : at::Tensor();
  report.norms = norms_of_rank_0(gradient_norms(parameters_));
  if (spike_guard_) {
    const Verdict verdict = judge(report, overflow);
    report.is_skipped = verdict == Verdict::skip;
    if (verdict == Verdict::take) take_step(report, /*skip=*/{});
  } else {
    take_step(report, non_finite_flag(report));
  }
  if (report.is_skipped) {
    copy_values(buffers(), buffers_before_);
    return report;
  }
  if (scaler_) scaler_->update();
  numbers_.start(scalars_to_copy(report, overflow, scaler_ ? &*scaler_ : nullptr));
  numbers_step_ = step_;
  numbers_images_ = std::exchange(images_, {});
  if (device_.is_cpu()) settle();
  return report;
}

// Gradients are the same everywhere, but their norms are rounded differently with other numbers of threads, and what follows
// from them, clipping and skipping, must not be.
GradientNorms TrainStep::norms_of_rank_0(const GradientNorms& norms) const {
  if (collectives_.world_size() == 1) return norms;
  const at::Tensor all = at::stack({norms.image, norms.text, norms.all});
  collectives_.broadcast({{"norms", all}});
  return {.image = all[0], .text = all[1], .all = all[2]};
}

// Synchronizes with the device. Overflowed gradients in fp16 skip the step and lower the scale; that cannot
// fix a loss that is not finite.
TrainStep::Verdict TrainStep::judge(const StepReport& report, const at::Tensor& overflow) {
  HostNumbers copied;
  copied.start(scalars_to_copy(report, overflow, scaler_ ? &*scaler_ : nullptr));
  const HostStepNumbers numbers = take_numbers(copied);
  if (numbers.has_overflowed && std::isfinite(numbers.step.loss)) return Verdict::overflow;
  return spike_guard_->accepts(step_, numbers.step.loss, numbers.step.norm) ? Verdict::take : Verdict::skip;
}

void TrainStep::take_step(const StepReport& report, const at::Tensor& skip) {
  if (grad_clip_norm_) clip_gradients(parameters_, report.norms.all, *grad_clip_norm_);
  optimizer_.step(report.lr, skip);
  task_.after_update();
  if (average_) average_->update(skip);
}

void TrainStep::settle() {
  if (!numbers_.is_pending()) return;
  const HostStepNumbers numbers = take_numbers(numbers_);
  numbers_images_.reset();
  const std::int64_t number = numbers_step_ + 1;  // messages count steps from 1
  if (!numbers.has_overflowed || !std::isfinite(numbers.step.loss)) {
    if (!spike_guard_) require_finite(numbers.step, number);
  } else if (numbers.loss_scale < kMinLossScale) {
    throw_user_error(
        "step {}: gradients overflow fp16 at any loss scale; the weights were left as they were before this "
        "step. Resume with train.precision bf16 or fp32, or with a lower optimizer.lr",
        number);
  }
}

std::optional<double> TrainStep::loss_scale() const {
  return scaler_ ? std::optional(scaler_->current_scale()) : std::nullopt;
}

NamedTensors TrainStep::buffers() const { return task_.buffers(); }

NamedTensors TrainStep::weights() const { return average_ ? average_->weights() : task_.weights(); }

std::unique_ptr<BorrowedWeights> TrainStep::use_weights_to_evaluate() {
  return average_ ? std::make_unique<BorrowedWeights>(task_.weights(), average_->weights()) : nullptr;
}

NamedTensors TrainStep::state() const {
  NamedTensors state = state_without_optimizer();
  add_with_prefix(state, "optimizer.", optimizer_.state());
  return state;
}

NamedTensors TrainStep::state_without_optimizer() const {
  NamedTensors state = task_.state();
  if (scaler_) add_with_prefix(state, "scaler.", scaler_->state());
  if (spike_guard_) add_with_prefix(state, "spike_guard.", spike_guard_->state());
  if (average_) {
    add_with_prefix(state, "average.", average_->state());
    add_with_prefix(state, "live.", task_.weights());
  }
  return state;
}

TrainStep::SplitState TrainStep::split_state() const {
  SplitState split;
  for (const auto& [name, tensor] : state_without_optimizer()) {
    // Buffers may differ between ranks: those of rank 0 are saved.
    const std::string owner = name.substr(0, name.find('.') + 1);
    const bool is_large = owner == "average." || owner == "live.";
    if (is_large && parameters_.contains(name.substr(owner.size()))) {
      split.parts.emplace(name, part_of(tensor, collectives_));
    } else {
      split.whole.emplace(name, tensor);
    }
  }
  for (auto& [name, part] : optimizer_.state_parts(collectives_))
    split.parts.emplace("optimizer." + name, std::move(part));
  return split;
}

void TrainStep::load_state(const NamedTensors& weights, const NamedTensors& state) {
  roll_back(weights, state);
  const NamedTensors guard = with_prefix_removed(state, "spike_guard.");
  if (spike_guard_ && !guard.empty()) spike_guard_->load_state(guard);
}

void TrainStep::roll_back(const NamedTensors& weights, const NamedTensors& state) {
  const NamedTensors live = with_prefix_removed(state, "live.");
  const NamedTensors average = with_prefix_removed(state, "average.");
  task_.load(live.empty() ? weights : live, state);
  optimizer_.load_state(with_prefix_removed(state, "optimizer."));
  if (scaler_) scaler_->load_state(with_prefix_removed(state, "scaler."));
  if (average_ && average.empty()) average_.emplace(task_.weights(), *ema_decay_);
  if (average_ && !average.empty()) {
    NamedTensors saved = weights;
    // Values fixed by the settings are also fixed in the average.
    const NamedTensors current = task_.weights();
    for (const auto& [name, parameter] : parameters_) {
      const bool is_fixed = parameter.tower == Tower::shared && !parameter.tensor.requires_grad();
      if (is_fixed && saved.contains(name)) saved[name] = current.at(name);
    }
    average_->load_state(saved, average);
  }
  if (spike_guard_) spike_guard_->reset_skipped_in_a_row();
}

}  // namespace cloob
