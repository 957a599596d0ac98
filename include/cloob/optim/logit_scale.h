#pragma once

#include <ATen/core/Tensor.h>

#include "cloob/optim/reference.h"

namespace cloob {

/// Bounds of `logit_scale`, the logarithm of the inverse temperature.
struct LogitScaleBounds {
  double low;
  double high;
};

/// [ln min, ln max]; CLOOB's code writes ln 100 as 4.6052, so for `cloob` both are rounded to four decimals.
LogitScaleBounds logit_scale_bounds(double inv_tau_min, double inv_tau_max, Reference reference);

/// Clamps the scale to its bounds in place, without a gradient. Call it after every optimizer step.
void clamp_logit_scale(const at::Tensor& logit_scale, const LogitScaleBounds& bounds);

}  // namespace cloob
