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
at::Tensor with_layout_of(const at::Tensor& parameter, const at::Tensor& tensor) {
  if (tensor.strides() == parameter.strides()) return tensor;
  return at::empty_like(parameter, tensor.options()).copy_(tensor);
}

}  // namespace

AdamW::AdamW(const TrainedParameters& parameters, const OptimizerConfig& config, Reference reference,
             const Collectives* sharing)
    : config_(config), sharing_(sharing) {
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
  Group result{group.weight_decay, group.lr_scale, group.is_of_image_tower, {}};
  for (const std::string& name : group.names) {
    const at::Tensor& parameter = parameters_.at(name).tensor;
    const at::Tensor updated = sharing_ == nullptr ? parameter : elements_of(parameter, own_part(parameter));
    const at::Tensor master = master_of(updated);
    const at::TensorOptions counter = at::TensorOptions(parameter.device()).dtype(at::kFloat);
    result.slots.push_back({name, parameter, updated, master, at::zeros_like(master), at::zeros_like(master),
                            at::zeros({}, counter)});
  }
  return result;
}

ElementRange AdamW::own_part(const at::Tensor& tensor) const {
  return part_of(tensor.numel(), sharing_->rank(), sharing_->world_size());
}

// For the elements that this rank updates, in the type of their master copies.
at::Tensor AdamW::own_gradient(const Slot& slot) const {
  const at::Tensor gradient = with_layout_of(slot.parameter, slot.parameter.grad());
  const at::Tensor own = sharing_ == nullptr ? gradient : elements_of(gradient, own_part(gradient));
  return own.to(slot.master.scalar_type());
}

void AdamW::step(const LearningRates& lr, const at::Tensor& skip) {
  const at::NoGradGuard no_grad;
  for (const Group& group : groups_)
    update(group, (group.is_of_image_tower ? lr.image : lr.other) * group.lr_scale, skip);
  if (sharing_ != nullptr) gather_parameters();
}

void AdamW::gather_parameters() const {
  std::vector<at::Tensor> tensors;
  for (const auto& [name, parameter] : parameters_) tensors.push_back(parameter.tensor);
  gather_parts(tensors, *sharing_);
}

// The tensors of some slots as lists for one fused kernel.
struct AdamW::Lists {
  std::vector<at::Tensor> masters, gradients, exp_avgs, exp_avg_sqs, steps, low_precision,
      low_precision_masters;
  std::size_t copied_bytes = 0;  // of gradients

  void add(const Slot& slot, const at::Tensor& gradient) {
    masters.push_back(slot.master);
    gradients.push_back(gradient);
    exp_avgs.push_back(slot.exp_avg);
    exp_avg_sqs.push_back(slot.exp_avg_sq);
    steps.push_back(slot.step);
    if (!gradient.is_alias_of(slot.parameter.grad())) copied_bytes += gradient.nbytes();
    if (!is_below_fp32(slot.updated)) return;
    low_precision.push_back(slot.updated);
    low_precision_masters.push_back(slot.master);
  }
};

void AdamW::update(const Group& group, double lr, const at::Tensor& skip) const {
  Lists lists;
  for (const Slot& slot : group.slots) {
    if (slot.parameter.grad().defined()) lists.add(slot, own_gradient(slot));
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

NamedTensors AdamW::own_state() const {
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

// One tensor at a time, so that no other rank ever has the whole state.
NamedTensors AdamW::state() const {
  if (sharing_ == nullptr) return own_state();
  NamedTensors state;
  for (const auto& [name, own] : own_state()) {
    if (own.dim() == 0) {  // a count, which all have
      state.emplace(name, own);
      continue;
    }
    const at::Tensor whole = at::empty_like(parameter_of(name), own.options());
    elements_of(whole, own_part(whole)).copy_(own);
    gather_parts({{whole}}, *sharing_);
    if (sharing_->rank() == 0) state.emplace(name, whole.cpu());
  }
  return sharing_->rank() == 0 ? state : NamedTensors();
}

TensorParts AdamW::state_parts(const Collectives& collectives) const {
  TensorParts parts;
  for (const auto& [name, own] : own_state()) {
    if (sharing_ == nullptr || own.dim() == 0) {
      parts.emplace(name, part_of(own, collectives));
      continue;
    }
    const at::Tensor& parameter = parameter_of(name);
    CLOOB_CHECK(parameter.is_contiguous(), "'{}' is not contiguous", name);
    parts.emplace(name, TensorPart{own, parameter.sizes().vec()});
  }
  return parts;
}

// "NAME.exp_avg" -> the parameter NAME
const at::Tensor& AdamW::parameter_of(const std::string& name) const {
  return parameters_.at(name.substr(0, name.rfind('.'))).tensor;
}

void AdamW::load_state(const NamedTensors& state) {
  const NamedTensors own = own_state();
  if (sharing_ == nullptr) return copy_state("optimizer", state, own);
  NamedTensors shapes;
  for (const auto& [name, tensor] : own)
    shapes.emplace(name, tensor.dim() == 0 ? tensor : parameter_of(name));
  require_same_shapes("optimizer", state, shapes);
  const at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : own) {
    const at::Tensor& saved = state.at(name);
    if (tensor.dim() == 0) {
      tensor.copy_(saved);
      continue;
    }
    const at::Tensor whole = with_layout_of(parameter_of(name), saved);
    tensor.copy_(elements_of(whole, own_part(whole)));
  }
}

}  // namespace cloob
