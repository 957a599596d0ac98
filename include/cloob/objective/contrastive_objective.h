// The training objective: InfoNCE or InfoLOOB on the features or on the patterns retrieved for them.
//
// Shapes: B pairs of this process, N of all processes, D features.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>

#include "cloob/base/collectives.h"
#include "cloob/base/named_tensors.h"
#include "cloob/objective/objective_config.h"
#include "cloob/objective/objective_system.h"
#include "cloob/retrieval/hopfield.h"
#include "cloob/retrieval/retrieval_config.h"

namespace cloob {

/// The contrastive objective of paired image and text features (with retrieval: Fuerst et al., CLOOB, eqs.
/// 1-3).
///
/// X and Y are the image and text features, U_x and U_y the patterns that images and texts retrieve from the
/// images, V_x and V_y those that they retrieve from the texts:
///   CLIP                 (nce(X, Y) + nce(Y, X)) / 2
///   InfoNCE + Hopfield   (nce(U_x, U_y) + nce(V_y, V_x)) / 2
///   InfoLOOB             loob(X, Y) + loob(Y, X)
///   CLOOB                loob(U_x, U_y) + loob(V_y, V_x)
class ContrastiveObjective {
 public:
  /// A single pair has no negatives.
  static constexpr std::int64_t kMinPairs = 2;

  /// The learned beta, if any, lives on `device`.
  ContrastiveObjective(const LossConfig& loss, const RetrievalConfig& retrieval, c10::Device device);

  /// The objective of L2-normalized features whose i-th rows form a pair, all of them in this process: a
  /// differentiable scalar in at least fp32. `retrieved_fraction` is the weight of the retrieved pattern
  /// relative to the feature itself (see `retrieved_fraction_at`). If `entropy` is given and there is a retrieval, it is
  /// set to the mean entropy of the four retrievals' weights (see Retrieval), a scalar without gradient. Throws
  /// UserError if there are fewer than two pairs.
  at::Tensor evaluate(const at::Tensor& image_ND, const at::Tensor& text_ND, const at::Tensor& inv_tau,
                      double retrieved_fraction = 1, at::Tensor* entropy = nullptr) const;

  /// This rank's part of the objective over the pairs of all ranks: the sum of these values over ranks is the
  /// objective, and the sum of their gradients its gradient; the same holds for `entropy`. `image_BD` and `text_BD` are
  /// the rows of this rank, possibly none.
  at::Tensor evaluate(const at::Tensor& image_BD, const at::Tensor& text_BD, const at::Tensor& inv_tau,
                      const Collectives& collectives, double retrieved_fraction = 1,
                      at::Tensor* entropy = nullptr) const;

  /// The loss of a model that cannot tell pairs apart: ln N for InfoNCE, 2 ln(N - 1) / inv_tau for InfoLOOB, whose
  /// loss is divided by the inverse temperature.
  double chance_loss(std::int64_t num_pairs, double inv_tau) const;

  /// The fraction at an optimizer step: rises during `retrieval.warmup_steps` and is 1 from
  /// `first_steady_step` on.
  double retrieved_fraction_at(std::int64_t step) const;
  std::int64_t first_steady_step() const {
    return retrieval_.kind == RetrievalKind::none ? 0 : retrieval_.warmup_steps;
  }

  ObjectiveSystem system() const { return system_of(loss_.kind, retrieval_.kind); }
  /// Inverse temperature of the retrieval, a scalar, differentiable if it is learned.
  at::Tensor beta() const;

  /// The parameters to train and to save: "log_beta" if beta is learned, otherwise none.
  NamedTensors parameters() const;
  /// Restores saved `parameters`. Throws UserError if names or shapes do not match.
  void load_state(const NamedTensors& state);

 private:
  /// The loss of one direction, from this rank's rows to those of all ranks.
  at::Tensor directed_loss(const at::Tensor& anchor_BD, const GatheredRows& samples,
                           const at::Tensor& inv_tau) const;
  /// From the features of all ranks, for those of this rank.
  PairRetrievals retrieve(const at::Tensor& x_BD, const at::Tensor& y_BD, const at::Tensor& x_ND,
                          const at::Tensor& y_ND) const;
  at::Tensor combine_directions(const at::Tensor& sum) const;

  LossConfig loss_;
  RetrievalConfig retrieval_;
  at::Tensor log_beta_;
};

}  // namespace cloob
