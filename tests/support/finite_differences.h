// Gradients by central differences, to check those of autograd.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>

namespace cloob::testing {

/// Expects the gradient that autograd gives for `loss()` with respect to `leaf` (fp64, requires gradient) to
/// agree with central differences; the norm of the difference is at most `tolerance` times the gradient's
/// norm plus `tolerance`.
void expect_gradient_matches_differences(const std::function<at::Tensor()>& loss, const at::Tensor& leaf,
                                         double tolerance);

}  // namespace cloob::testing
