#include "cloob/optim/spike_guard.h"

#include <ATen/ops/scalar_tensor.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "optim/named_state.h"

namespace cloob {
namespace {

constexpr std::int64_t kMinAcceptedSteps = 20;
constexpr std::int64_t kWindow = 100;

}  // namespace

SpikeGuard::SpikeGuard(const SpikeGuardConfig& config) : config_(config) {}

double SpikeGuard::largest_norm() const {
  return accepted_ < kMinAcceptedSteps ? std::numeric_limits<double>::infinity()
                                       : config_.max_norm_ratio * average_norm_;
}

bool SpikeGuard::accepts(std::int64_t step, double loss, double gradient_norm) {
  if (!std::isfinite(loss) || !std::isfinite(gradient_norm) || gradient_norm > largest_norm()) {
    ++skipped_;
    if (skipped_in_a_row_++ == 0) first_skipped_step_ = step;
    return false;
  }
  skipped_in_a_row_ = 0;
  ++accepted_;
  // A plain mean until the window is full.
  average_norm_ += (gradient_norm - average_norm_) / static_cast<double>(std::min(accepted_, kWindow));
  return true;
}

NamedTensors SpikeGuard::state() const {
  const auto scalar = [](auto value) { return at::scalar_tensor(static_cast<double>(value), at::kDouble); };
  return {{"average_norm", scalar(average_norm_)},
          {"accepted", scalar(accepted_)},
          {"skipped", scalar(skipped_)},
          {"skipped_in_a_row", scalar(skipped_in_a_row_)},
          {"first_skipped_step", scalar(first_skipped_step_)}};
}

void SpikeGuard::load_state(const NamedTensors& state) {
  const NamedTensors values = this->state();
  copy_state("spike guard", state, values);
  average_norm_ = values.at("average_norm").item<double>();
  accepted_ = values.at("accepted").item<std::int64_t>();
  skipped_ = values.at("skipped").item<std::int64_t>();
  skipped_in_a_row_ = values.at("skipped_in_a_row").item<std::int64_t>();
  first_skipped_step_ = values.at("first_skipped_step").item<std::int64_t>();
}

}  // namespace cloob
