// Value, gradients, time and memory of an objective on given features, for `cloob bench loss`.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "cloob/objective/objective_system.h"

namespace cloob {

struct LossBenchmark {
  ObjectiveSystem objective;
  at::Tensor image_ND;  ///< L2-normalized rows
  at::Tensor text_ND;
  double beta;  ///< of the Hopfield retrieval, if the objective has one
  double inv_tau;
  double logit_bias = LossConfig{}.logit_bias;  ///< of the sigmoid loss
};

struct LossBenchmarkResult {
  double loss = 0;
  double grad_norm_image = 0;  ///< Frobenius norm of the gradient with respect to `image_ND`
  double grad_norm_text = 0;
  double seconds = 0;  ///< of one forward and backward pass, until both norms are known
  double peak_gib =
      0;  ///< increase of the peak during it: of the resident memory, or of the tensors on a GPU
};

/// Two independent matrices of unit rows, (batch, dim) in fp32, deterministic for a seed.
struct RandomFeatures {
  at::Tensor image_ND;
  at::Tensor text_ND;
};
RandomFeatures random_unit_features(std::int64_t batch, std::int64_t dim, std::uint64_t seed);

/// Evaluates the objective and its gradients once, on the device of the features, after a small warm-up run. Throws UserError if the
/// features are not two floating-point matrices of equal size with at least two rows, or if an inverse
/// temperature is not greater than 0.
///
/// If the kernel does not let a process reset its peak memory, `peak_gib` includes an earlier, higher peak.
LossBenchmarkResult benchmark_loss(const LossBenchmark& benchmark);

}  // namespace cloob
