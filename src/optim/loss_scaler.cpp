#include "cloob/optim/loss_scaler.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_amp_foreach_non_finite_check_and_unscale.h>
#include <ATen/ops/_amp_update_scale.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include <vector>

#include "cloob/optim/gradients.h"
#include "optim/named_state.h"

namespace cloob {

LossScaler::LossScaler(const LossScalerOptions& options, c10::Device device) : options_(options) {
  const at::TensorOptions on_device(device);
  scale_ = at::full({}, options.initial_scale, on_device.dtype(at::kFloat));
  growth_tracker_ = at::zeros({}, on_device.dtype(at::kInt));
  found_inf_ = at::zeros({}, on_device.dtype(at::kFloat));
}

at::Tensor LossScaler::scale(const at::Tensor& loss) const { return loss * scale_; }

const at::Tensor& LossScaler::unscale(const TrainedParameters& parameters) {
  const at::NoGradGuard no_grad;
  const std::vector<at::Tensor> gradients = existing_gradients(parameters);
  found_inf_.zero_();
  // Reciprocal in fp64 as in PyTorch, so that the inverse of a large scale is not subnormal.
  const at::Tensor inverse_scale = scale_.to(at::kDouble).reciprocal().to(at::kFloat);
  if (!gradients.empty())
    at::_amp_foreach_non_finite_check_and_unscale_(gradients, found_inf_, inverse_scale);
  return found_inf_;
}

void LossScaler::update() {
  const at::NoGradGuard no_grad;
  at::_amp_update_scale_(scale_, growth_tracker_, found_inf_, options_.growth_factor, options_.backoff_factor,
                         options_.growth_interval);
}

double LossScaler::current_scale() const { return scale_.item<double>(); }

NamedTensors LossScaler::state() const { return {{"scale", scale_}, {"growth_tracker", growth_tracker_}}; }

void LossScaler::load_state(const NamedTensors& state) { copy_state("loss scaler", state, this->state()); }

}  // namespace cloob
