// What is minimised: InfoNCE or InfoLOOB of the features or of what is retrieved for them.
//
// Shapes: B pairs of this process, N of all processes, D features.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>

#include "cloob/base/gather.h"
#include "cloob/base/named_tensors.h"
#include "cloob/objective/objective_config.h"
#include "cloob/objective/objective_system.h"
#include "cloob/retrieval/retrieval_config.h"

namespace cloob {

struct ObjectiveOutput {
  at::Tensor loss;  ///< scalar, fp32 or wider, with gradients
};

/// The contrastive objective of paired image and text features (Fuerst et al., CLOOB, eqs. 1-3 for the
/// retrieved one).
///
/// With X, Y the image and text features, U_x, U_y retrieved from the images and V_x, V_y from the texts (for
/// the image and for the text):
///   CLIP                 (nce(X, Y) + nce(Y, X)) / 2
///   InfoNCE + Hopfield   (nce(U_x, U_y) + nce(V_y, V_x)) / 2
///   InfoLOOB             loob(X, Y) + loob(Y, X)
///   CLOOB                loob(U_x, U_y) + loob(V_y, V_x)
class ContrastiveObjective {
 public:
  /// A contrastive objective of a single pair has nothing to contrast it with.
  static constexpr std::int64_t kFewestPairs = 2;

  /// The learned beta, if any, lives on `device`.
  ContrastiveObjective(const LossConfig& loss, const RetrievalConfig& retrieval, c10::Device device);

  /// The objective of `image_BD` and `text_BD`, L2-normalised rows of which row i of both is a pair, at
  /// optimizer step `step` (from 0; it matters only during `retrieval.warmup_steps`).
  ///
  /// With several processes every one computes its own rows, and the mean over processes of equal B is the
  /// objective of all pairs. Throws UserError when there are fewer than two pairs.
  ObjectiveOutput evaluate(const at::Tensor& image_BD, const at::Tensor& text_BD, const at::Tensor& inv_tau,
                           const Gather& gather, std::int64_t step) const;

  /// From which step on `evaluate` does not depend on the step.
  std::int64_t first_steady_step() const {
    return retrieval_.kind == RetrievalKind::none ? 0 : retrieval_.warmup_steps;
  }

  ObjectiveSystem system() const { return system_of(loss_.kind, retrieval_.kind); }
  /// Inverse temperature of the retrieval, a scalar with gradient when it is learned.
  at::Tensor beta() const;

  /// What the optimizer has to train: "log_beta" when beta is learned, else nothing.
  NamedTensors parameters() const;
  /// The same tensors, for a checkpoint.
  NamedTensors state() const { return parameters(); }
  /// Copies values saved by `state`. Throws UserError when names or shapes do not match.
  void load_state(const NamedTensors& state);

 private:
  at::Tensor retrieve(const at::Tensor& state_BD, const at::Tensor& stored_ND) const;
  at::Tensor of_directions(const at::Tensor& sum) const;

  LossConfig loss_;
  RetrievalConfig retrieval_;
  at::Tensor log_beta_;
};

}  // namespace cloob
