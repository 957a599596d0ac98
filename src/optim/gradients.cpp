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

namespace cloob {
namespace {

// A norm in half precision would have three digits and overflow. Nullopt keeps the dtype of the gradients.
std::optional<at::ScalarType> norm_type(const std::vector<at::Tensor>& gradients) {
  return std::ranges::any_of(gradients, is_below_fp32) ? std::optional(at::kFloat) : std::nullopt;
}

at::Tensor joint_norm(const std::vector<at::Tensor>& norms, const at::TensorOptions& options) {
  return norms.empty() ? at::zeros({}, options) : at::stack(norms).norm();
}

}  // namespace

std::vector<at::Tensor> existing_gradients(const TrainedParameters& parameters) {
  std::vector<at::Tensor> gradients;
  for (const auto& [name, parameter] : parameters) {
    if (parameter.tensor.grad().defined()) gradients.push_back(parameter.tensor.grad());
  }
  return gradients;
}

GradientNorms gradient_norms(const TrainedParameters& parameters) {
  CLOOB_CHECK(!parameters.empty(), "there are no parameters");
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> gradients;
  std::vector<Tower> towers;
  for (const auto& [name, parameter] : parameters) {
    if (!parameter.tensor.grad().defined()) continue;
    gradients.push_back(parameter.tensor.grad());
    towers.push_back(parameter.tower);
  }
  std::vector<at::Tensor> all, image, text;
  if (!gradients.empty()) all = at::_foreach_norm(gradients, 2, norm_type(gradients));
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (towers[i] == Tower::image) image.push_back(all[i]);
    if (towers[i] == Tower::text) text.push_back(all[i]);
  }
  const at::TensorOptions options = parameters.begin()->second.tensor.options().requires_grad(false);
  return {joint_norm(image, options), joint_norm(text, options), joint_norm(all, options)};
}

void clip_gradients(const TrainedParameters& parameters, const at::Tensor& norm, double max_norm) {
  const at::NoGradGuard no_grad;
  const std::vector<at::Tensor> gradients = existing_gradients(parameters);
  // Multiplies unconditionally: testing whether the factor is 1 would synchronize with the device.
  if (!gradients.empty()) at::_foreach_mul_(gradients, (max_norm / (norm + 1e-6)).clamp_max(1.0));
}

bool StepNumbers::are_finite() const { return std::isfinite(loss) && std::isfinite(norm); }

void require_finite(const StepNumbers& numbers, std::int64_t step) {
  if (numbers.are_finite()) return;
  // The sign of a NaN is meaningless.
  const auto shown = [](double number) { return std::isnan(number) ? std::abs(number) : number; };
  throw_user_error(
      "step {}: training became unstable: the loss is {}, the gradient norm is {} in the image tower and {} "
      "in the text tower; the weights were left as they were before this step. Resume from a checkpoint with "
      "a lower optimizer.lr, a longer schedule.warmup_steps or optimizer.grad_clip_norm set",
      step, shown(numbers.loss), shown(numbers.image_norm), shown(numbers.text_norm));
}

}  // namespace cloob
