#include "cloob/optim/weight_ema.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_lerp.h>
#include <ATen/ops/zeros.h>

#include <exception>
#include <utility>
#include <vector>

#include "cloob/base/full_precision.h"
#include "cloob/base/log.h"
#include "cloob/base/tensor_copies.h"
#include "optim/named_state.h"

namespace cloob {
WeightEma::WeightEma(NamedTensors weights, double decay) : weights_(std::move(weights)), decay_(decay) {
  for (const auto& [name, weight] : weights_) {
    if (weight.is_floating_point()) averages_.emplace(name, at_least_fp32(weight.detach()).clone());
  }
  const c10::Device device = weights_.empty() ? c10::Device(at::kCPU) : weights_.begin()->second.device();
  updates_ = at::zeros({}, at::TensorOptions(device).dtype(at::kLong));
}

void WeightEma::update(const at::Tensor& skip) {
  const at::NoGradGuard no_grad;
  const at::Tensor num_updates = updates_.to(at::kDouble);
  at::Tensor weight_of_new = 1 - ((1 + num_updates) / (10 + num_updates)).clamp_max_(decay_);
  if (skip.defined()) weight_of_new.mul_(1 - skip);
  std::vector<at::Tensor> averages, weights, weights_of_new;
  for (const auto& [name, average] : averages_) {
    averages.push_back(average);
    weights.push_back(weights_.at(name).to(average.scalar_type()));
    weights_of_new.push_back(weight_of_new.to(average.scalar_type()));
  }
  at::_foreach_lerp_(averages, weights, weights_of_new);
  if (skip.defined()) {
    updates_ += (1 - skip).to(at::kLong);
  } else {
    updates_ += 1;
  }
}

NamedTensors WeightEma::weights() const {
  NamedTensors all;
  for (const auto& [name, weight] : weights_) {
    const auto average = averages_.find(name);
    const at::Tensor& value = average == averages_.end() ? weight.detach() : average->second;
    all.emplace(name, value.to(weight.options().requires_grad(false), /*non_blocking=*/false, /*copy=*/true));
  }
  return all;
}

NamedTensors WeightEma::all_state() const {
  NamedTensors state = averages_;
  state.emplace("updates", updates_);
  return state;
}

NamedTensors WeightEma::state() const {
  NamedTensors state = all_state();
  std::erase_if(state, [this](const auto& item) {
    const auto weight = weights_.find(item.first);
    return weight != weights_.end() && weight->second.scalar_type() == item.second.scalar_type();
  });
  return state;
}

void WeightEma::load_state(const NamedTensors& weights, const NamedTensors& state) {
  NamedTensors saved = state;
  for (const auto& [name, average] : averages_) {
    const auto weight = weights.find(name);
    if (weight != weights.end()) saved.insert(*weight);  // does not overwrite those in the state
  }
  copy_state("weight average", saved, all_state());
}

BorrowedWeights::BorrowedWeights(const NamedTensors& live, const NamedTensors& values)
    : live_(live), original_(copies_of(live)) {
  copy_values(live_, values);
}

BorrowedWeights::~BorrowedWeights() {
  try {
    copy_values(live_, original_);
  } catch (const std::exception& error) {
    // Only fails if the device has failed; the first failure has been reported with its reason.
    log_error("train", "the trained weights could not be restored: {}", error.what());
  }
}

}  // namespace cloob
