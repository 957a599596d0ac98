// What a Hopfield network gives back: one stored pattern, an average of a few, or the mean of all; and how many patterns
// it can store.
//
// Shapes: N states, M stored patterns, V features of a value.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <string_view>

namespace cloob {

/// The three kinds of fixed points (Ramsauer et al., Hopfield Networks is All You Need).
enum class RetrievalRegime {
  mean,        ///< all stored patterns are averaged, whatever is asked
  metastable,  ///< some, which are like each other
  single,      ///< one is retrieved
};

/// The regime in which retrievals from `num_stored` patterns have this mean entropy, in nats. mean: that of an average over
/// more than 80 % of the patterns. Then a third of the weight at most depends on what is asked: by Pinsker's inequality, the
/// fraction that differs from equal weights is no larger than sqrt((ln M - entropy) / 2). single: that of less than 1.1
/// patterns.
RetrievalRegime regime_of(double entropy, std::int64_t num_stored);

/// "mean of all", ...
std::string_view regime_name(RetrievalRegime regime);

/// How well states retrieve the values of the stored patterns of the same row.
struct Recall {
  double entropy = 0;     ///< of the weights, in nats
  double own_weight = 0;  ///< of the pattern that belongs to the state
  /// 1 - |retrieved - own|^2 / |mean - own|^2 of the values: 1 if they are retrieved exactly, 0 for their mean, negative for
  /// others.
  double recovered = 0;
  double found = 0;  ///< fraction of retrieved values that are nearer to the own value than to any other
};

/// Means over the rows of weights_NM, such as those of `association_weights`; N is at most M.
Recall measure_recall(const at::Tensor& weights_NM, const at::Tensor& values_MV);

/// The weights (N, M) of a Hopfield layer (hopfield_layer.h) as it is created, with random projections and the beta of
/// attention: what those get who use the layer without training it.
at::Tensor untrained_weights(const at::Tensor& state_ND, const at::Tensor& stored_MD);

struct StorageTrial {
  std::int64_t dim;
  std::int64_t num_patterns;
  double beta;
  double noise = 0.5;              ///< length of the vector that is added to a pattern to make the state
  std::int64_t max_states = 1024;  ///< patterns that are asked for
  std::uint64_t seed = 0;
};

/// Fraction of random patterns of unit length that a network storing all of them does not give back: what one update step
/// retrieves, normalized, is further than 0.1 from the pattern.
double storage_error(const StorageTrial& trial);

}  // namespace cloob
