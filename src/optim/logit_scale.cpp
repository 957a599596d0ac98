#include "cloob/optim/logit_scale.h"

#include <ATen/core/grad_mode.h>

#include <cmath>

namespace cloob {

LogitScaleBounds logit_scale_bounds(double inv_tau_min, double inv_tau_max, Reference reference) {
  const LogitScaleBounds exact{std::log(inv_tau_min), std::log(inv_tau_max)};
  if (reference != Reference::cloob) return exact;
  const auto four_decimals = [](double number) { return std::round(number * 1e4) / 1e4; };
  return {four_decimals(exact.low), four_decimals(exact.high)};
}

void clamp_logit_scale(const at::Tensor& logit_scale, const LogitScaleBounds& bounds) {
  const at::NoGradGuard no_grad;
  logit_scale.clamp_(bounds.low, bounds.high);
}

}  // namespace cloob
