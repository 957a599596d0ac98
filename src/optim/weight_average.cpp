#include "cloob/optim/weight_average.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_lerp.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <exception>
#include <utility>
#include <vector>

#include "cloob/base/full_precision.h"
#include "cloob/base/log.h"
#include "cloob/base/tensor_copies.h"
#include "optim/named_state.h"

namespace cloob {
WeightAverage::WeightAverage(NamedTensors weights, double decay)
    : weights_(std::move(weights)), updates_(at::zeros({}, at::kLong)), decay_(decay) {
  for (const auto& [name, weight] : weights_) {
    if (weight.is_floating_point()) averages_.emplace(name, at_least_fp32(weight.detach()).clone());
  }
}

void WeightAverage::update() {
  const at::NoGradGuard no_grad;
  const auto done = static_cast<double>(updates_.item<std::int64_t>());
  const double decay = std::min(decay_, (1 + done) / (10 + done));
  std::vector<at::Tensor> averages, weights;
  for (const auto& [name, average] : averages_) {
    averages.push_back(average);
    weights.push_back(weights_.at(name).to(average.scalar_type()));
  }
  at::_foreach_lerp_(averages, weights, 1 - decay);
  updates_ += 1;
}

NamedTensors WeightAverage::weights() const {
  NamedTensors all;
  for (const auto& [name, weight] : weights_) {
    const auto average = averages_.find(name);
    const at::Tensor& value = average == averages_.end() ? weight.detach() : average->second;
    all.emplace(name, value.to(weight.options().requires_grad(false), /*non_blocking=*/false, /*copy=*/true));
  }
  return all;
}

NamedTensors WeightAverage::all_state() const {
  NamedTensors state = averages_;
  state.emplace("updates", updates_);
  return state;
}

NamedTensors WeightAverage::state() const {
  NamedTensors state = all_state();
  std::erase_if(state, [this](const auto& item) {
    const auto weight = weights_.find(item.first);
    return weight != weights_.end() && weight->second.scalar_type() == item.second.scalar_type();
  });
  return state;
}

void WeightAverage::load_state(const NamedTensors& weights, const NamedTensors& state) {
  NamedTensors saved = state;
  for (const auto& [name, average] : averages_) {
    const auto weight = weights.find(name);
    if (weight != weights.end()) saved.insert(*weight);  // keeps what the state has
  }
  copy_state("weight average", saved, all_state());
}

BorrowedWeights::BorrowedWeights(const NamedTensors& live, const NamedTensors& values)
    : live_(live), own_(copies_of(live)) {
  copy_values(live_, values);
}

BorrowedWeights::~BorrowedWeights() {
  try {
    copy_values(live_, own_);
  } catch (const std::exception& error) {
    // Only a device that has failed refuses; what failed first says why.
    log_error("train", "the trained weights could not be put back: {}", error.what());
  }
}

}  // namespace cloob
