// What happens to gradients between the backward pass and the optimizer step. Parameters without a gradient
// are skipped.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "cloob/base/named_tensors.h"

namespace cloob {

std::vector<at::Tensor> existing_gradients(const NamedTensors& parameters);

/// L2 norms over the gradients of all parameters together: scalars on the parameters' device, zero where
/// there are none.
struct GradientNorms {
  at::Tensor image;  ///< of the image tower
  at::Tensor text;   ///< of the text tower
  at::Tensor all;    ///< of everything, scales and beta included
};

/// Computes the norms without waiting for the device. Needs at least one parameter.
GradientNorms gradient_norms(const NamedTensors& parameters);

/// Multiplies all gradients in place by min(1, max_norm / (norm + 1e-6)), as torch.nn.utils.clip_grad_norm_
/// does, without waiting for the device. `norm` is `GradientNorms::all`.
void clip_gradients(const NamedTensors& parameters, const at::Tensor& norm, double max_norm);

/// Throws UserError, naming the step and the culprits, unless the loss and all gradients are finite. To be
/// called before the optimizer step: the weights are then still good. Waits for the device once.
void require_finite(const at::Tensor& loss, const GradientNorms& norms, std::int64_t step);

}  // namespace cloob
