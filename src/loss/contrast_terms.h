// What contrastive losses add up, without the matrix of similarities.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace cloob {

struct ContrastOptions {
  std::int64_t first_row = 0;  ///< the partner of anchor i is sample first_row + i
  bool leave_out_partners = false;
  bool columns = false;  ///< the other direction too; there must be as many anchors as samples
  std::int64_t tile = 1024;
};

struct ContrastTerms {
  at::Tensor rows_B;  ///< log sum_j exp(s a_i.b_j) - s a_i.b_i, the partner left out of the sum if asked for
  at::Tensor columns_N;  ///< log sum_i exp(s a_i.b_j) - s a_j.b_j; undefined where it is not asked for
};

/// Both of one pass over tiles; the backward pass computes every tile again. Memory beside arguments and
/// results: the gradients and two tiles. All tensors have one type, fp32 or wider; `scale` is a scalar.
/// Gradients flow to the three of them, once.
ContrastTerms contrast_terms(const at::Tensor& anchor_BD, const at::Tensor& sample_ND,
                             const at::Tensor& scale, const ContrastOptions& options);

}  // namespace cloob
