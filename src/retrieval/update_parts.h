// Building blocks of both kinds of Hopfield updates, besides their averages.
#pragma once

#include <ATen/core/Tensor.h>

#include "cloob/base/running_average.h"

namespace cloob {

/// Entropy in nats of the weights of each average, (B), from what `average` holds after `finish`: with z = beta state
/// stored^T it is log sum_j exp(z_j) - sum_j w_j z_j, and the last sum is beta state . average. Without gradient.
at::Tensor entropies(const RunningAverage& average, const at::Tensor& state_BD, const at::Tensor& beta);

/// L2-normalizes rows in place and returns their norms, clamped to at least 1e-12 as in unit_rows.
at::Tensor normalize_rows_in_place(const at::Tensor& rows_BD);

/// The gradient of rows before their normalization, and its inner products with those rows.
struct RowGradient {
  at::Tensor grad_BD;
  at::Tensor dot_B1;
};
RowGradient normalize_backward(const at::Tensor& grad_BD, const at::Tensor& unit_BD,
                               const at::Tensor& norm_B1);

/// Turns the similarities z of a tile into softmax weights P, in place, and writes the gradient of z, P (g
/// stored^T - g.(P stored)), to `grad_z_RC`; g is the gradient of the averages and `dot_R1` the inner
/// products g.(P stored).
void softmax_backward(const at::Tensor& similarities_RC, const at::Tensor& log_sum_R1,
                      const at::Tensor& grad_RD, const at::Tensor& dot_R1, const at::Tensor& stored_CD,
                      at::Tensor grad_z_RC);

}  // namespace cloob
