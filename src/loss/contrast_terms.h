// What contrastive losses add up, without the matrix of similarities.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace cloob {

struct ContrastOptions {
  std::int64_t first_row = 0;  ///< the partner of anchor i is sample first_row + i
  /// The terms are divided by the scale. Afterwards, it would cost the digits of the scale's gradient.
  bool divide_by_scale = false;
  bool columns = false;  ///< the other direction too; there must be as many anchors as samples
  std::int64_t tile = 1024;
};

/// The log-odds of all others against the partner, in the softmax of every anchor and of every sample. A loss
/// adds up terms of them: log(1 + exp(L)) is InfoNCE's, L / s is InfoLOOB's.
struct ContrastTerms {
  at::Tensor rows_B;     ///< log sum_{j != i} exp(s a_i.b_j) - s a_i.b_i, minus infinity for a single pair
  at::Tensor columns_N;  ///< log sum_{i != j} exp(s a_i.b_j) - s a_j.b_j; undefined where it is not asked for
};

/// Both of one pass over tiles; the backward pass computes every tile again. Memory beside arguments and
/// results: the gradients and two tiles. All tensors have one type, fp32 or wider; `scale` is a scalar.
/// Gradients flow to the three of them, once.
ContrastTerms contrast_terms(const at::Tensor& anchor_BD, const at::Tensor& sample_ND,
                             const at::Tensor& scale, const ContrastOptions& options);

}  // namespace cloob
