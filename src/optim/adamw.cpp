#include "cloob/optim/adamw.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_copy.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <optional>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/full_precision.h"
#include "optim/named_state.h"

namespace cloob {
namespace {

// Gradients that have to be copied, for example to float32, are processed in chunks of this many bytes.
constexpr std::size_t kMaxCopiedBytes = std::size_t{64} << 20;

at::Tensor master_of(const at::Tensor& parameter) {
  return is_below_fp32(parameter) ? at_least_fp32(parameter.detach()) : parameter;
}

// The fused kernel ignores strides, so a gradient must have the memory layout of its parameter. Autograd
// ensures that; a manually set gradient may differ.
at::Tensor gradient_with_layout_of(const at::Tensor& master, const at::Tensor& gradient) {
  if (gradient.strides() == master.strides()) return gradient.to(master.scalar_type());
  return at::empty_like(master).copy_(gradient);
}

}  // namespace

AdamW::AdamW(const TrainedParameters& parameters, const OptimizerConfig& config, Reference reference)
    : config_(config) {
  for (const auto& [name, parameter] : parameters) {
    if (parameter.tensor.requires_grad()) parameters_.emplace(name, parameter);
  }
  if (parameters_.empty())
    throw_user_error("there is nothing to train: no parameter of the model requires a gradient");
  for (const ParameterGroup& group : group_parameters(parameters_, config, reference))
    groups_.push_back(make_group(group));
}

AdamW::Group AdamW::make_group(const ParameterGroup& group) const {
  const at::NoGradGuard no_grad;
  Group result{group.weight_decay, group.lr_scale, {}};
  for (const std::string& name : group.names) {
    const at::Tensor& parameter = parameters_.at(name).tensor;
    const at::Tensor master = master_of(parameter);
    const at::TensorOptions counter = at::TensorOptions(parameter.device()).dtype(at::kFloat);
    result.slots.push_back(
        {name, parameter, master, at::zeros_like(master), at::zeros_like(master), at::zeros({}, counter)});
  }
  return result;
}

void AdamW::step(double lr, const at::Tensor& skip) {
  const at::NoGradGuard no_grad;
  for (const Group& group : groups_) update(group, lr * group.lr_scale, skip);
}

// The tensors of some slots as lists for one fused kernel.
struct AdamW::Lists {
  std::vector<at::Tensor> masters, gradients, exp_avgs, exp_avg_sqs, steps, low_precision,
      low_precision_masters;
  std::size_t copied_bytes = 0;  // of gradients

  void add(const Slot& slot) {
    masters.push_back(slot.master);
    gradients.push_back(gradient_with_layout_of(slot.master, slot.parameter.grad()));
    exp_avgs.push_back(slot.exp_avg);
    exp_avg_sqs.push_back(slot.exp_avg_sq);
    steps.push_back(slot.step);
    if (!gradients.back().is_same(slot.parameter.grad())) copied_bytes += gradients.back().nbytes();
    if (!is_below_fp32(slot.parameter)) return;
    low_precision.push_back(slot.parameter);
    low_precision_masters.push_back(slot.master);
  }
};

void AdamW::update(const Group& group, double lr, const at::Tensor& skip) const {
  Lists lists;
  for (const Slot& slot : group.slots) {
    if (slot.parameter.grad().defined()) lists.add(slot);
    if (lists.copied_bytes >= kMaxCopiedBytes) update(std::exchange(lists, {}), group.weight_decay, lr, skip);
  }
  update(lists, group.weight_decay, lr, skip);
}

void AdamW::update(const Lists& lists, double weight_decay, double lr, const at::Tensor& skip) const {
  if (lists.masters.empty()) return;
  // If `skip` is 1, the kernel changes nothing; the step counts are up to the caller.
  if (skip.defined()) {
    at::_foreach_add_(lists.steps, 1 - skip);
  } else {
    at::_foreach_add_(lists.steps, 1);
  }
  at::_fused_adamw_(lists.masters, lists.gradients, lists.exp_avgs, lists.exp_avg_sqs, /*max_exp_avg_sqs=*/{},
                    lists.steps, lr, config_.beta1, config_.beta2, weight_decay, config_.eps,
                    /*amsgrad=*/false, /*maximize=*/false, /*grad_scale=*/{},
                    skip.defined() ? std::optional(skip) : std::nullopt);
  if (!lists.low_precision.empty()) at::_foreach_copy_(lists.low_precision, lists.low_precision_masters);
}

void AdamW::zero_grad() {
  for (const auto& [name, parameter] : parameters_) parameter.tensor.mutable_grad().reset();
}

NamedTensors AdamW::state() const {
  NamedTensors state;
  for (const Group& group : groups_) {
    for (const Slot& slot : group.slots) {
      state.emplace(slot.name + ".exp_avg", slot.exp_avg);
      state.emplace(slot.name + ".exp_avg_sq", slot.exp_avg_sq);
      state.emplace(slot.name + ".step", slot.step);
      if (is_below_fp32(slot.parameter)) state.emplace(slot.name + ".master", slot.master);
    }
  }
  return state;
}

void AdamW::load_state(const NamedTensors& state) { copy_state("optimizer", state, this->state()); }

}  // namespace cloob
