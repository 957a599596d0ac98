// The training objective: InfoNCE, InfoLOOB or the sigmoid loss on the features or on the patterns retrieved for them.
//
// Shapes: B pairs of this process, N of all processes, D features.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "cloob/base/collectives.h"
#include "cloob/base/named_tensors.h"
#include "cloob/base/pair_measures.h"
#include "cloob/objective/objective_config.h"
#include "cloob/objective/objective_system.h"
#include "cloob/retrieval/hopfield.h"
#include "cloob/retrieval/retrieval_config.h"

namespace cloob {

/// From similarities to logits: inv_tau a.b + bias.
struct LogitScaling {
  /// Scalars; only the sigmoid loss needs a bias.
  LogitScaling(at::Tensor scale, at::Tensor offset = {})  // NOLINT(google-explicit-constructor)
      : inv_tau(std::move(scale)), bias(std::move(offset)) {}

  at::Tensor inv_tau, bias;
};

/// The contrastive objective of paired image and text features (with retrieval: Fuerst et al., CLOOB, eqs.
/// 1-3).
///
/// X and Y are the image and text features, U_x and U_y the patterns that images and texts retrieve from the
/// images, V_x and V_y those that they retrieve from the texts:
///   CLIP                 (nce(X, Y) + nce(Y, X)) / 2
///   InfoNCE + Hopfield   (nce(U_x, U_y) + nce(V_y, V_x)) / 2
///   InfoLOOB             loob(X, Y) + loob(Y, X)
///   CLOOB                loob(U_x, U_y) + loob(V_y, V_x)
///   SigLIP               sig(X, Y)
///   sigmoid + Hopfield   (sig(U_x, U_y) + sig(V_y, V_x)) / 2
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
  at::Tensor evaluate(const at::Tensor& image_ND, const at::Tensor& text_ND, const LogitScaling& scaling,
                      double retrieved_fraction = 1, at::Tensor* entropy = nullptr) const;

  /// The same value without gradients, and how far it is saturated, in the same pass over the pairs.
  PairMeasures measure(const at::Tensor& image_ND, const at::Tensor& text_ND,
                       const LogitScaling& scaling) const;

  /// This rank's part of the objective over the pairs of all ranks: the sum of these values over ranks is the
  /// objective, and the sum of their gradients its gradient; the same holds for `entropy`. `image_BD` and `text_BD` are
  /// the rows of this rank, possibly none.
  at::Tensor evaluate(const at::Tensor& image_BD, const at::Tensor& text_BD, const LogitScaling& scaling,
                      const Collectives& collectives, double retrieved_fraction = 1,
                      at::Tensor* entropy = nullptr) const;

  /// The loss of a model that cannot tell pairs apart: ln N for InfoNCE, 2 ln(N - 1) / inv_tau for InfoLOOB, whose
  /// loss is divided by the inverse temperature, and ln N + (N - 1) ln(N / (N - 1)) for the sigmoid loss with the best
  /// bias.
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
  /// Of one or more directions: see info_nce, and the logits of the pairs for losses that have any.
  struct Odds {
    std::vector<at::Tensor> log_odds;
    std::vector<at::Tensor> pair_logits;
  };

  /// All rows are in this process.
  at::Tensor evaluate_alone(const at::Tensor& image_ND, const at::Tensor& text_ND,
                            const LogitScaling& scaling, double retrieved_fraction, at::Tensor* entropy,
                            Odds* odds) const;
  /// The loss of one direction, from this rank's rows to those of all ranks.
  at::Tensor directed_loss(const at::Tensor& anchor_BD, const GatheredRows& samples,
                           const LogitScaling& scaling, Odds* odds = nullptr) const;
  /// Of the sigmoid loss, whose pass over the pairs knows no softmax.
  void add_odds_of_sigmoid(const at::Tensor& anchor_ND, const at::Tensor& sample_ND,
                           const LogitScaling& scaling, Odds& odds) const;
  /// From the features of all ranks, for those of this rank.
  PairRetrievals retrieve(const at::Tensor& x_BD, const at::Tensor& y_BD, const at::Tensor& x_ND,
                          const at::Tensor& y_ND) const;
  at::Tensor combine_directions(const at::Tensor& sum) const;

  LossConfig loss_;
  RetrievalConfig retrieval_;
  at::Tensor log_beta_;
};

}  // namespace cloob
