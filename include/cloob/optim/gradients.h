// Norms and clipping of gradients, between the backward pass and the optimizer step. Parameters without a
// gradient are skipped.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "cloob/base/trained_parameter.h"

namespace cloob {

std::vector<at::Tensor> existing_gradients(const TrainedParameters& parameters);

/// Joint L2 norms of gradients: scalars on the parameters' device, zero if there are none.
struct GradientNorms {
  at::Tensor image;  ///< of the image tower
  at::Tensor text;   ///< of the text tower
  at::Tensor all;    ///< of all parameters, including scales and beta
};

/// Computes the norms without synchronizing with the device. Needs at least one parameter.
GradientNorms gradient_norms(const TrainedParameters& parameters);

/// Multiplies all gradients in place by min(1, max_norm / (norm + 1e-6)), as torch.nn.utils.clip_grad_norm_
/// does, without synchronizing with the device. `norm` is `GradientNorms::all`.
void clip_gradients(const TrainedParameters& parameters, const at::Tensor& norm, double max_norm);

/// Loss and gradient norms of a step, on the host.
struct StepNumbers {
  double loss = 0;
  double image_norm = 0;
  double text_norm = 0;
  double norm = 0;  ///< of all gradients

  bool are_finite() const;
};

/// Throws the UserError that ends a run, with the step and the numbers, unless loss and norm are finite.
void require_finite(const StepNumbers& numbers, std::int64_t step);

}  // namespace cloob
