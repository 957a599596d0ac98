// Contrastive losses of paired features. Everything is computed in fp32 or wider, outside of autocast, and
// can be differentiated once. No B x N matrix is ever held: forward and backward go through tiles of it,
// `tile` rows and columns each (0: see tile_side).
//
// With several ranks each adds up the terms of its own anchors over the samples of all, and the losses of the
// ranks add up to the loss of all pairs, however many anchors each of them has. A rank without anchors has the
// loss 0, whose backward pass runs and gives gradients of 0.
//
// Losses and gradients have the relative rounding error of a few products of the size of `inv_tau`, which is
// a few times 1e-7 inv_tau in fp32, also where almost nothing is left to learn.
//
// Shapes: B anchors of this rank, N samples of all ranks, D features.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace cloob {

/// InfoNCE of rows of one kind against rows of another, s = inv_tau:
///
///   (1/N) sum_i [ logsumexp_j(s a_i.b_j) - s a_i.b_i ]
///
/// What is computed is log(1 + exp(L_i)) with the log-odds of the others against the partner,
/// L_i = logsumexp_{j != i}(s a_i.b_j) - s a_i.b_i: the difference above loses what is small beside it.
///
/// `anchor_BD` holds rows `first_row` to `first_row + B` of the anchors; its row i is paired with row
/// `first_row + i` of `sample_ND`, so that the sum of the values over ranks is the loss of all N pairs.
/// `inv_tau` is a scalar tensor; gradients flow to all three tensors. Throws UserError when there is no pair.
///
/// If `log_odds` is given, it is set to the L_i, without gradients: the partner's probability in the softmax is
/// 1 / (1 + exp(L_i)). The same holds for the other losses that take it.
at::Tensor info_nce(const at::Tensor& anchor_BD, const at::Tensor& sample_ND, const at::Tensor& inv_tau,
                    std::int64_t first_row, std::int64_t tile = 0, at::Tensor* log_odds = nullptr);

/// InfoLOOB (leave one out bound) with the leading temperature of the authors' code, s = inv_tau:
///
///   (1/(s N)) sum_i [ logsumexp_{j != i}(s a_i.b_j) - s a_i.b_i ]
///
/// The positive is left out of the denominator exactly, so the value can be negative. Arguments as for
/// `info_nce`. Throws UserError when there are fewer than two pairs: a single one has no negatives.
at::Tensor info_loob(const at::Tensor& anchor_BD, const at::Tensor& sample_ND, const at::Tensor& inv_tau,
                     std::int64_t first_row, std::int64_t tile = 0, at::Tensor* log_odds = nullptr);

/// info_nce(x, y) + info_nce(y, x), and the same of info_loob, where one rank has all rows: both directions
/// share every similarity. The log-odds are those of all rows of x, then of y.
at::Tensor symmetric_info_nce(const at::Tensor& x_ND, const at::Tensor& y_ND, const at::Tensor& inv_tau,
                              std::int64_t tile = 0, at::Tensor* log_odds = nullptr);
at::Tensor symmetric_info_loob(const at::Tensor& x_ND, const at::Tensor& y_ND, const at::Tensor& inv_tau,
                               std::int64_t tile = 0, at::Tensor* log_odds = nullptr);

/// The sigmoid loss of all pairs (Zhai et al., SigLIP), s = inv_tau, l_ij = 1 for partners and -1 for others:
///
///   (1/N) sum_ij softplus(-l_ij (s a_i.b_j + bias))
///
/// The same in both directions. `bias` is a scalar tensor like `inv_tau`; gradients flow to all four tensors. Other
/// arguments as for `info_nce`. Throws UserError when there is no pair.
at::Tensor sigmoid_loss(const at::Tensor& anchor_BD, const at::Tensor& sample_ND, const at::Tensor& inv_tau,
                        const at::Tensor& bias, std::int64_t first_row, std::int64_t tile = 0);

/// One direction where one rank has all rows.
inline at::Tensor info_nce(const at::Tensor& anchor_ND, const at::Tensor& sample_ND,
                           const at::Tensor& inv_tau) {
  return info_nce(anchor_ND, sample_ND, inv_tau, /*first_row=*/0);
}
inline at::Tensor info_loob(const at::Tensor& anchor_ND, const at::Tensor& sample_ND,
                            const at::Tensor& inv_tau) {
  return info_loob(anchor_ND, sample_ND, inv_tau, /*first_row=*/0);
}

}  // namespace cloob
