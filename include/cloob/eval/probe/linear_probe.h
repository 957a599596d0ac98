// Linear classifiers of features: logistic regression, as CLIP evaluates it, and the SGD protocol of ProtoCLIP.
//
// Shapes: B rows of a batch, D features, K classes, E = D + 1.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "cloob/base/collectives.h"
#include "cloob/config/field.h"
#include "cloob/eval/probe/labeled_features.h"
#include "cloob/eval/zero_shot_metrics.h"

namespace cloob {

enum class ProbeMethod { logistic, sgd };

template <>
struct EnumNames<ProbeMethod> {
  static constexpr std::array<std::pair<std::string_view, ProbeMethod>, 2> names = {
      {{"logistic", ProbeMethod::logistic}, {"sgd", ProbeMethod::sgd}}};
};

struct LinearClassifier {
  at::Tensor weight_KD;
  at::Tensor bias_K;

  /// (B, D) -> (B, K), in the type of the weights.
  at::Tensor scores(const at::Tensor& features_BD) const;
  /// Adds how this classifies the parts of this rank.
  void classify(const std::vector<LabeledPart>& own, ZeroShotMeter& meter) const;
};

/// How it classifies the rows of all ranks. A collective operation.
ZeroShotMetrics metrics_of(const LinearClassifier& classifier, const std::vector<LabeledPart>& own,
                           const Collectives& collectives);

/// The default regulariser where none is chosen by validation, that of CLIP's example.
inline constexpr double kDefaultC = 0.316;

/// A logistic regression and how it was chosen.
struct LogisticProbe {
  LinearClassifier classifier;            ///< fp64
  double c = 0;                           ///< inverse strength of the regulariser
  std::optional<double> validation_acc1;  ///< of `c` in the sweep, if there was one
  std::int64_t num_fits = 0;              ///< models that were fitted
  std::int64_t iterations = 0;            ///< of the last of them
  bool converged = false;                 ///< whether the last has
};

/// Receives each value that was tried in the choice of C.
using TakeTriedC = std::function<void(double c, double validation_acc1, std::int64_t iterations)>;

/// Fits scikit-learn's LogisticRegression(C): minimizes |W|^2 / 2 + C * the sum of the cross-entropies, without a penalty for the
/// intercepts, in fp64. `own` are the parts of this rank.
///
/// Without `c` it is chosen by the accuracy on a fifth of the rows, the second, seventh, ... of each class: in a search over 97
/// values from 1e-6 to 1e6, 8 a decade, which begins with every 16th and then looks at both sides of the best, 8, 4, 2 and 1 steps
/// away (Radford et al., CLIP, appendix A.3); of equally good values the smallest. The result is then fitted to all rows. Throws
/// UserError if no class has two rows. Warns if the last fit has not converged. A collective operation; the result is the same on
/// every rank, and so are the calls of `take_tried`.
LogisticProbe fit_logistic_probe(const std::vector<LabeledPart>& own, std::int64_t num_classes,
                                 std::optional<double> c, const Collectives& collectives,
                                 const TakeTriedC& take_tried = {});

/// The protocol of ProtoCLIP's linear probe: stochastic gradient descent in fp32, with a cosine from `lr` to 0 over the epochs.
struct SgdProbeOptions {
  std::int64_t epochs = 100;
  std::int64_t batch_size = 1024;
  double lr = 0.1;
  double momentum = 0.9;
  double weight_decay = 1e-6;
  bool shuffles = true;  ///< ProtoCLIP does not: batches are then consecutive images of the data set
  std::uint64_t seed = 0;
};

/// Weights from N(0, 0.01^2), no bias.
LinearClassifier initial_sgd_probe(std::int64_t num_classes, std::int64_t dim, std::uint64_t seed);

/// Trains `start`; `after_epoch` is called on all ranks. A collective operation.
LinearClassifier fit_sgd_probe(
    const std::vector<LabeledPart>& own, LinearClassifier start, const SgdProbeOptions& options,
    const Collectives& collectives,
    const std::function<void(std::int64_t epoch, const LinearClassifier& classifier)>& after_epoch = {});

struct FewShotOptions {
  std::int64_t shots = 1;  ///< examples a class
  std::int64_t draws = 10;
  std::uint64_t seed = 0;
  double c = kDefaultC;
};

/// Fits a logistic regression to `shots` random rows of each class, once for every draw, which is a pure function of (seed, draw).
/// Throws UserError if a class has fewer. `class_names` are for messages. A collective operation.
std::vector<LinearClassifier> fit_few_shot_probes(const std::vector<LabeledPart>& own,
                                                  const std::vector<std::string>& class_names,
                                                  const FewShotOptions& options,
                                                  const Collectives& collectives);

}  // namespace cloob
