// How objectives saturate on synthetic pairs of known mutual information, for `cloob bench saturation`.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "cloob/objective/loss_benchmark.h"
#include "cloob/objective/objective_system.h"

namespace cloob {

/// Pairs of unit vectors: x is uniform on the sphere, y has the von Mises-Fisher distribution around x, whose density is
/// proportional to exp(concentration x.y). Inverse temperature `concentration` is therefore the best one for InfoNCE.
class AlignedPairs {
 public:
  static constexpr double kMaxAlignment = 0.9999;
  /// Needs dim >= 3 and 0 <= alignment <= kMaxAlignment, the mean of x.y.
  AlignedPairs(std::int64_t dim, double alignment);

  double concentration() const { return concentration_; }
  /// Of x and y, in nats.
  double mutual_information() const { return mutual_information_; }
  /// fp64; deterministic for a seed.
  RandomFeatures draw(std::int64_t num_pairs, std::uint64_t seed) const;

 private:
  std::int64_t dim_;
  double concentration_ = 0;
  double mutual_information_ = 0;
  std::vector<double> cumulative_;  // of the angle between x and y, on a grid from 0 to pi
};

struct SaturationBenchmark {
  std::vector<double> alignments = {0, 0.2, 0.4, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99};
  std::vector<std::int64_t> batches = {64, 256, 1024};
  std::vector<double> betas = {3, 8, 30};  ///< of objectives with retrieval
  std::int64_t dim = 64;
  double inv_tau = 30;
  std::int64_t draws = 4;
  std::uint64_t seed = 0;
};

/// A cell of the grid: means over the draws, and standard deviations between them.
struct SaturationRow {
  ObjectiveSystem objective = ObjectiveSystem::clip;
  double alignment = 0;
  double mutual_information = 0;
  std::int64_t batch = 0;
  double beta = 0;        ///< 0 without retrieval
  double logit_bias = 0;  ///< of the sigmoid loss, the best one for the first draw
  double value = 0, value_std = 0;
  /// sqrt(N) times the norm of the gradient with respect to all features: what a pair's features get before the mean over
  /// pairs. Only the part that is tangential to the sphere, which is what normalization passes on to the towers.
  double gradient = 0, gradient_std = 0;
  double whole_gradient = 0;  ///< with the radial part
  double positive_mass = 0;
  double gradient_weight = 0;
};

/// Every objective at every alignment, batch size and, with retrieval, beta, in this order. Throws UserError for values
/// out of range. `report` is called before each alignment.
std::vector<SaturationRow> benchmark_saturation(const SaturationBenchmark& benchmark,
                                                const std::function<void(double alignment)>& report = {});

}  // namespace cloob
