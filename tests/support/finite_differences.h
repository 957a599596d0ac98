// Gradients by central differences, to check autograd.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>

namespace cloob::testing {

/// Expects the autograd gradient of `loss()` with respect to `leaf` (fp64, requires gradient) to agree with
/// central differences: the norm of the difference is at most `tolerance` times (1 + the gradient's norm).
void expect_gradient_matches_differences(const std::function<at::Tensor()>& loss, const at::Tensor& leaf,
                                         double tolerance);

}  // namespace cloob::testing
