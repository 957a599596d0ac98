// What the features of pairs are like: how many directions they use, how close pairs are, how evenly they cover the sphere.
#pragma once

#include <cstdint>
#include <span>

#include "cloob/base/collectives.h"
#include "cloob/eval/pair_features.h"
#include "cloob/report/named_numbers.h"

namespace cloob {

/// Measures of the features of one kind, images or texts.
struct SphereMeasures {
  /// Number of the largest eigenvalues of the covariance that hold 99 % of their sum (Fuerst et al., CLOOB). 0 without variance.
  double effective_eigenvalues = 0;
  /// exp(entropy of the eigenvalues, divided by their sum) (Roy & Vetterli 2007). 0 without variance.
  double effective_rank = 0;
  /// log of the mean over pairs of rows of exp(-2 |x_i - x_j|^2) (Wang & Isola 2020): 0 if all are the same, less if they are
  /// spread evenly. NaN with a single row.
  double uniformity = 0;
  /// Ajne's statistic on the sphere, n / 4 - sum over i < j of arccos(x_i . x_j) / (pi n): small if rows are spread evenly, up to
  /// n / 4.
  double ajne = 0;
};

struct FeatureMeasures {
  SphereMeasures image;
  SphereMeasures text;
  double alignment = 0;     ///< mean of |x - y|^2 over pairs (Wang & Isola 2020)
  double modality_gap = 0;  ///< |mean x - mean y| (Liang et al. 2022)
  std::int64_t num_pairs = 0;
  std::int64_t num_compared = 0;  ///< pairs whose rows are compared with each other
};

/// Evenly spaced rows of an evaluation that are compared with each other, if it has more: the work grows with the square.
inline constexpr std::int64_t kMaxComparedRows = 10'000;

/// Measures the images of all ranks and the first text of each, of rows that are normalized once more. `own` are the parts of this
/// rank, possibly none.
///
/// Computed in fp64, in tiles: a covariance takes 2 N D^2 operations, the comparison of rows n^2 D with n of at most
/// `max_compared_rows`, whose features every rank holds. The result has the same bits on every rank, and for any number of ranks
/// that use the same number of threads. Throws UserError if a feature is not finite or there is no pair. A collective operation.
FeatureMeasures measure_features(std::span<const PairFeatures> own, const Collectives& collectives,
                                 std::int64_t max_compared_rows = kMaxComparedRows);

/// {"effective_eigenvalues_image", ...}, ..., {"num_feature_pairs", ...}, {"num_compared_pairs", ...}.
NamedNumbers named_numbers(const FeatureMeasures& measures);

}  // namespace cloob
