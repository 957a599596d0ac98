#include "cloob/optim/adamw.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include "cloob/base/error.h"
#include "cloob/optim/parameter_groups.h"
#include "optim/named_state.h"

namespace cloob {
namespace {

// The fused kernel walks through memory without looking at strides, so a gradient must lie as its parameter
// does. Autograd sees to that; a gradient set by hand may not.
at::Tensor gradient_laid_out_as(const at::Tensor& parameter) {
  const at::Tensor& gradient = parameter.grad();
  if (gradient.strides() == parameter.strides()) return gradient;
  return at::empty_like(parameter).copy_(gradient);
}

}  // namespace

AdamW::AdamW(const NamedTensors& parameters, const OptimizerConfig& config, Reference reference)
    : config_(config) {
  for (const auto& [name, parameter] : parameters) {
    if (parameter.requires_grad()) parameters_.emplace(name, parameter);
  }
  if (parameters_.empty())
    throw_user_error("there is nothing to train: no parameter of the model requires a gradient");
  const ParameterGroups names = group_parameters(parameters_, reference);
  groups_ = {make_group(names.undecayed, 0.0), make_group(names.decayed, config.weight_decay)};
}

AdamW::Group AdamW::make_group(const std::vector<std::string>& names, double weight_decay) const {
  const at::NoGradGuard no_grad;
  Group group{weight_decay, {}};
  for (const std::string& name : names) {
    const at::Tensor& parameter = parameters_.at(name);
    const at::TensorOptions counter = at::TensorOptions(parameter.device()).dtype(at::kFloat);
    group.slots.push_back(
        {name, parameter, at::zeros_like(parameter), at::zeros_like(parameter), at::zeros({}, counter)});
  }
  return group;
}

void AdamW::step(double lr) {
  const at::NoGradGuard no_grad;
  for (const Group& group : groups_) update(group, lr);
}

void AdamW::update(const Group& group, double lr) const {
  std::vector<at::Tensor> parameters, gradients, exp_avgs, exp_avg_sqs, steps;
  for (const Slot& slot : group.slots) {
    if (!slot.parameter.grad().defined()) continue;
    parameters.push_back(slot.parameter);
    gradients.push_back(gradient_laid_out_as(slot.parameter));
    exp_avgs.push_back(slot.exp_avg);
    exp_avg_sqs.push_back(slot.exp_avg_sq);
    steps.push_back(slot.step);
  }
  if (parameters.empty()) return;
  at::_foreach_add_(steps, 1);
  at::_fused_adamw_(parameters, gradients, exp_avgs, exp_avg_sqs, /*max_exp_avg_sqs=*/{}, steps, lr,
                    config_.beta1, config_.beta2, group.weight_decay, config_.eps, /*amsgrad=*/false,
                    /*maximize=*/false);
}

void AdamW::zero_grad() {
  for (const auto& [name, parameter] : parameters_) parameter.mutable_grad().reset();
}

NamedTensors AdamW::state() const {
  NamedTensors state;
  for (const Group& group : groups_) {
    for (const Slot& slot : group.slots) {
      state.emplace(slot.name + ".exp_avg", slot.exp_avg);
      state.emplace(slot.name + ".exp_avg_sq", slot.exp_avg_sq);
      state.emplace(slot.name + ".step", slot.step);
    }
  }
  return state;
}

void AdamW::load_state(const NamedTensors& state) { copy_state("optimizer", state, this->state()); }

}  // namespace cloob
