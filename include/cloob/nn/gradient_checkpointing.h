// Trades compute for memory: activations are recomputed in the backward pass.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>

namespace cloob {

/// Computes `function(x)` and saves only `x`; the backward pass runs the function once more (gradient
/// checkpointing, Chen et al., 2016), with the same random numbers and autocast settings, and without
/// updating the running statistics of batch norms again. The function may use other trainable tensors and
/// must return a single tensor. Without gradients or if `x` does not require one, this just calls the
/// function.
at::Tensor checkpoint_gradients(const std::function<at::Tensor(const at::Tensor& x)>& function,
                                const at::Tensor& x);

}  // namespace cloob
