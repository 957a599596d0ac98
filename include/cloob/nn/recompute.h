// Memory for time: what the backward pass needs is computed again.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>

namespace cloob {

/// `function(x)`, of which the backward pass keeps `x` alone and runs the function once more (Chen et al.,
/// 2016: gradient checkpointing), with the same random numbers, the same autocast, and without touching the
/// running statistics of batch norms again. The function may use trained tensors beside `x`; it must give one
/// tensor. `x` has to require a gradient.
at::Tensor recompute_in_backward(const std::function<at::Tensor(const at::Tensor& x)>& function,
                                 const at::Tensor& x);

}  // namespace cloob
