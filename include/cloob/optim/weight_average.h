#pragma once

#include "cloob/base/named_tensors.h"

namespace cloob {

/// An exponential moving average of weights, kept in float32 or wider.
///
/// After update n, counted from 0, with d = min(decay, (1 + n) / (10 + n)): average = d average + (1 - d)
/// weight. The ramp (that of TensorFlow's ExponentialMovingAverage) lets a short run forget its random start.
/// Integer tensors are left out: they count, and an average of counts means nothing.
class WeightAverage {
 public:
  /// Starts at the present values. `weights` share memory with the model.
  WeightAverage(NamedTensors weights, double decay);

  /// Takes the present weights in, after an optimizer step.
  void update();

  /// All tensors of the model under their names: averages in the types of the weights, and what has no
  /// average as it is. Copies.
  NamedTensors weights() const;

  /// What `weights()` does not hold: "updates", and "NAME" of every average that is wider than its weight.
  /// The tensors are the live ones.
  NamedTensors state() const;
  /// Copies saved `weights()` and a saved state in. Throws UserError when names or shapes differ.
  void load_state(const NamedTensors& weights, const NamedTensors& state);

 private:
  NamedTensors all_state() const;

  NamedTensors weights_;
  NamedTensors averages_;
  at::Tensor updates_;  ///< int64 scalar
  double decay_;
};

/// While it lives, the model's weights have other values; then their own again, bit for bit.
class BorrowedWeights {
 public:
  /// `live` shares memory with the model; `values` has the same names.
  BorrowedWeights(const NamedTensors& live, const NamedTensors& values);
  ~BorrowedWeights();
  BorrowedWeights(const BorrowedWeights&) = delete;
  BorrowedWeights& operator=(const BorrowedWeights&) = delete;

 private:
  NamedTensors live_;
  NamedTensors own_;
};

}  // namespace cloob
