// ProtoCLIP's prototype-level contrast (Chen et al., "Prototypical Contrastive Language Image Pretraining"):
// samples are classified into the clusters of a teacher, by prototypes in the student's feature space. Equal to
// `ProtoLoss` of the authors' code (github.com/megvii-research/protoclip, src/training/loss.py).
//
// Everything is computed in fp32 or wider, outside of autocast, and nothing waits for the device. No matrix of
// rows x prototypes or prototypes x prototypes is ever held: both functions go through tiles of it.
//
// Shapes: B rows of this rank, K prototypes, D features of the student, E of the teacher.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace cloob {

/// The target of a sample of cluster c is the distribution q_c over the prototypes, with the prototypes t_k of the
/// teacher:
///
///   q_c = softmax_k(<t_c, t_k> / temperature)
///
/// It depends on the cluster alone, and the loss of the sample is linear in it. So all that the loss needs of it
/// is row c of the result, sum_k q_ck prototypes[k] (K, D), computed once for as long as prototypes stay.
///
/// The t_k are not normalized, as in the authors' code: another prototype than c may have most of q_c. With
/// temperature <= 0 the targets are hard, q_cc = 1, and the result is `prototypes_KD` itself. No gradients.
at::Tensor expected_prototypes(const at::Tensor& prototypes_KD, const at::Tensor& teacher_KE,
                               double temperature, std::int64_t tile = 0);

/// The cross-entropy of targets and the softmax of the scores s h_i.p_k, s = inv_tau, added up over the rows with
/// a label:
///
///   (1/num_samples) sum_i [ logsumexp_k(s h_i.p_k) - s h_i.expected[y_i] ]
///
/// `expected_KD` is what `expected_prototypes` returns for these prototypes. Rows with a negative label contribute
/// nothing: neither to the loss nor to gradients and accuracy. A prototype that is zero, that of an empty cluster,
/// has the score 0 and takes part in the softmax. `num_samples` is the number of rows of all ranks, so that the
/// losses of the ranks add up to the mean; a rank without rows has the loss 0, with gradients of 0.
///
/// Gradients flow to `features_BD` and to the scalar `inv_tau`, once, not to the prototypes: with p_i the softmax,
/// that of h_i is (s/num_samples) (sum_k p_ik p_k - expected[y_i]). The forward pass computes it with the same
/// scores (two matrix products in all), the backward pass only scales it. At most `tile`^2 scores
/// are held, 0: see tile_side.
///
/// Losses and gradients have the relative rounding error of a few products of the size of `inv_tau`; with hard
/// targets also where almost nothing is left to learn, as what is computed is log(1 + exp(L_i)) with the log-odds
/// L_i of all other prototypes against that of the row's label.
///
/// If `num_correct` is given, it is set to the number of rows (fp32 scalar on the device) whose largest score is
/// that of their label, the first one of equal scores.
///
/// A label of K or more is an InternalError on the CPU, and LibTorch's assertion on a GPU.
at::Tensor prototype_loss(const at::Tensor& features_BD, const at::Tensor& prototypes_KD,
                          const at::Tensor& expected_KD, const at::Tensor& labels_B,
                          const at::Tensor& inv_tau, std::int64_t num_samples, std::int64_t tile = 0,
                          at::Tensor* num_correct = nullptr);

}  // namespace cloob
