#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "cloob/base/collectives.h"
#include "cloob/eval/probe/labeled_features.h"
#include "cloob/eval/probe/linear_probe.h"

namespace cloob {

/// Weights of features from which their mean is subtracted, with the intercepts in the last column. As the intercepts have no
/// penalty, this moves the minimum by nothing but intercepts, and features in a narrow cone are learned in a tenth of the steps.
struct LogisticFit {
  at::Tensor weight_KE;
  double objective = 0;
  std::int64_t iterations = 0;
  bool converged = false;
};

struct LogisticFitOptions {
  double tolerance = 1e-6;
  std::int64_t max_iterations = 1000;  ///< as in CLIP's example
};

/// Multinomial logistic regression on the rows of all ranks. Rank 0 minimizes, the others help it to evaluate; sums are exact, so that
/// the result has the same bits for any number of ranks.
class LogisticRegression {
 public:
  /// `own` are the parts of this rank, which must outlive this. A collective operation.
  LogisticRegression(const std::vector<LabeledPart>& own, std::int64_t num_classes,
                     const Collectives& collectives);

  /// Weights of zero.
  at::Tensor zeros() const;
  /// Minimizes |W|^2 / 2 + c * the sum of the cross-entropies, until the gradient is `tolerance` times the weights: as the penalty
  /// alone has the curvature 1, these are then that close, relative to their norm. A collective operation.
  LogisticFit fit(double c, const at::Tensor& start_KE, const LogisticFitOptions& options) const;
  /// For features as they are.
  LinearClassifier classifier(const LogisticFit& fit) const;

 private:
  struct Losses {
    double sum = 0;
    at::Tensor gradient_KE;
  };
  void center(std::int64_t dim);
  void find_axes();
  Losses losses(const at::Tensor& weight_KE) const;
  at::Tensor centered(const LabeledPart& part) const;
  at::Tensor precondition(const at::Tensor& gradient_KE, double c) const;

  const std::vector<LabeledPart>& own_;
  std::int64_t num_classes_;
  const Collectives& collectives_;
  std::int64_t num_parts_ = 0, first_part_ = 0;  ///< of all ranks; of this one
  double num_rows_ = 0;                          ///< of all ranks
  double largest_ = 0;                           ///< centred feature
  at::Tensor mean_;                              ///< (D)
  at::Tensor variance_,
      axes_;  ///< (D), (D, D): eigenvalues of the covariance, and its eigenvectors as columns
};

}  // namespace cloob
