#include "cloob/optim/gradients.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "cloob/base/error.h"
#include "cloob/base/full_precision.h"
#include "cloob/base/text.h"
#include "cloob/optim/parameter_groups.h"

namespace cloob {
namespace {

// A norm in half precision would have three digits and overflow. Nothing: the type of the gradients.
std::optional<at::ScalarType> norm_type(const std::vector<at::Tensor>& gradients) {
  return std::ranges::any_of(gradients, is_below_fp32) ? std::optional(at::kFloat) : std::nullopt;
}

at::Tensor joint_norm(const std::vector<at::Tensor>& norms, const at::TensorOptions& options) {
  return norms.empty() ? at::zeros({}, options) : at::stack(norms).norm();
}

}  // namespace

std::vector<at::Tensor> existing_gradients(const NamedTensors& parameters) {
  std::vector<at::Tensor> gradients;
  for (const auto& [name, parameter] : parameters) {
    if (parameter.grad().defined()) gradients.push_back(parameter.grad());
  }
  return gradients;
}

GradientNorms gradient_norms(const NamedTensors& parameters) {
  CLOOB_CHECK(!parameters.empty(), "there are no parameters");
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> gradients;
  std::vector<Tower> towers;
  for (const auto& [name, parameter] : parameters) {
    if (!parameter.grad().defined()) continue;
    gradients.push_back(parameter.grad());
    towers.push_back(tower_of(name));
  }
  std::vector<at::Tensor> all, image, text;
  if (!gradients.empty()) all = at::_foreach_norm(gradients, 2, norm_type(gradients));
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (towers[i] == Tower::image) image.push_back(all[i]);
    if (towers[i] == Tower::text) text.push_back(all[i]);
  }
  const at::TensorOptions options = parameters.begin()->second.options().requires_grad(false);
  return {joint_norm(image, options), joint_norm(text, options), joint_norm(all, options)};
}

void clip_gradients(const NamedTensors& parameters, const at::Tensor& norm, double max_norm) {
  const at::NoGradGuard no_grad;
  const std::vector<at::Tensor> gradients = existing_gradients(parameters);
  // Always multiplied: asking whether the factor is 1 would wait for the device.
  if (!gradients.empty()) at::_foreach_mul_(gradients, (max_norm / (norm + 1e-6)).clamp_max(1.0));
}

void require_finite(const at::Tensor& loss, const GradientNorms& norms, std::int64_t step) {
  const at::Tensor scalars = at::stack({loss.detach().to(at::kDouble), norms.image.to(at::kDouble),
                                        norms.text.to(at::kDouble), norms.all.to(at::kDouble)})
                                 .cpu();
  const auto value = [&scalars](std::int64_t index) {
    const double number = scalars.const_data_ptr<double>()[index];
    return std::isnan(number) ? std::abs(number) : number;  // its sign says nothing
  };
  if (std::isfinite(value(0)) && std::isfinite(value(3))) return;
  throw_user_error(
      "step {}: training became unstable: the loss is {}, the gradient norm is {} in the image tower and {} "
      "in the text tower; the weights were left as they were before this step. Resume from a checkpoint with "
      "a lower optimizer.lr, a longer schedule.warmup_steps or optimizer.grad_clip_norm set",
      step, value(0), value(1), value(2));
}

}  // namespace cloob
