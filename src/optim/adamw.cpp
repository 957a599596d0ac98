#include "cloob/optim/adamw.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_copy.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/full_precision.h"
#include "optim/named_state.h"

namespace cloob {
namespace {

// Gradients that are copied, to float32 for example, are copied for so many bytes at a time.
constexpr std::size_t kMostCopiedBytes = std::size_t{64} << 20;

at::Tensor master_of(const at::Tensor& parameter) {
  return is_below_fp32(parameter) ? at_least_fp32(parameter.detach()) : parameter;
}

// The fused kernel walks through memory without looking at strides, so a gradient must lie as its parameter
// does. Autograd sees to that; a gradient set by hand may not.
at::Tensor gradient_laid_out_as(const at::Tensor& master, const at::Tensor& gradient) {
  if (gradient.strides() == master.strides()) return gradient.to(master.scalar_type());
  return at::empty_like(master).copy_(gradient);
}

}  // namespace

AdamW::AdamW(const NamedTensors& parameters, const OptimizerConfig& config, Reference reference)
    : config_(config) {
  for (const auto& [name, parameter] : parameters) {
    if (parameter.requires_grad()) parameters_.emplace(name, parameter);
  }
  if (parameters_.empty())
    throw_user_error("there is nothing to train: no parameter of the model requires a gradient");
  for (const ParameterGroup& group : group_parameters(parameters_, config, reference))
    groups_.push_back(make_group(group));
}

AdamW::Group AdamW::make_group(const ParameterGroup& group) const {
  const at::NoGradGuard no_grad;
  Group made{group.weight_decay, group.lr_scale, {}};
  for (const std::string& name : group.names) {
    const at::Tensor& parameter = parameters_.at(name);
    const at::Tensor master = master_of(parameter);
    const at::TensorOptions counter = at::TensorOptions(parameter.device()).dtype(at::kFloat);
    made.slots.push_back(
        {name, parameter, master, at::zeros_like(master), at::zeros_like(master), at::zeros({}, counter)});
  }
  return made;
}

void AdamW::step(double lr) {
  const at::NoGradGuard no_grad;
  for (const Group& group : groups_) update(group, lr * group.lr_scale);
}

// The tensors of some slots, side by side for one kernel.
struct AdamW::Lists {
  std::vector<at::Tensor> masters, gradients, exp_avgs, exp_avg_sqs, steps, narrow, masters_of_narrow;
  std::size_t copied_bytes = 0;  // of gradients

  void add(const Slot& slot) {
    masters.push_back(slot.master);
    gradients.push_back(gradient_laid_out_as(slot.master, slot.parameter.grad()));
    exp_avgs.push_back(slot.exp_avg);
    exp_avg_sqs.push_back(slot.exp_avg_sq);
    steps.push_back(slot.step);
    if (!gradients.back().is_same(slot.parameter.grad())) copied_bytes += gradients.back().nbytes();
    if (!is_below_fp32(slot.parameter)) return;
    narrow.push_back(slot.parameter);
    masters_of_narrow.push_back(slot.master);
  }
};

void AdamW::update(const Group& group, double lr) const {
  Lists lists;
  for (const Slot& slot : group.slots) {
    if (slot.parameter.grad().defined()) lists.add(slot);
    if (lists.copied_bytes >= kMostCopiedBytes) update(std::exchange(lists, {}), group.weight_decay, lr);
  }
  update(lists, group.weight_decay, lr);
}

void AdamW::update(const Lists& lists, double weight_decay, double lr) const {
  if (lists.masters.empty()) return;
  at::_foreach_add_(lists.steps, 1);
  at::_fused_adamw_(lists.masters, lists.gradients, lists.exp_avgs, lists.exp_avg_sqs, /*max_exp_avg_sqs=*/{},
                    lists.steps, lr, config_.beta1, config_.beta2, weight_decay, config_.eps,
                    /*amsgrad=*/false, /*maximize=*/false);
  if (!lists.narrow.empty()) at::_foreach_copy_(lists.narrow, lists.masters_of_narrow);
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
      if (is_below_fp32(slot.parameter)) state.emplace(slot.name + ".master", slot.master);
    }
  }
  return state;
}

void AdamW::load_state(const NamedTensors& state) { copy_state("optimizer", state, this->state()); }

}  // namespace cloob
