#pragma once

#include "cloob/base/named_tensors.h"

namespace cloob {

/// An exponential moving average of weights, in at least float32.
///
/// Update n, counted from 0, with d = min(decay, (1 + n) / (10 + n)): average = d average + (1 - d) weight.
/// The ramp, the same as in TensorFlow's ExponentialMovingAverage, lets a short run forget its random
/// initialization. Integer tensors are not averaged: they are counters.
class WeightEma {
 public:
  /// Starts from the current values. `weights` share memory with the model.
  WeightEma(NamedTensors weights, double decay);

  /// Updates the average with the current weights, after an optimizer step. If `skip` is defined and 1, the
  /// average is left unchanged, as in AdamW::step.
  void update(const at::Tensor& skip = {});

  /// Copies of all tensors of the model by name: averages in the dtypes of the weights, and tensors without
  /// an average unchanged.
  NamedTensors weights() const;

  /// The state that `weights()` lacks: "updates", and "NAME" of every average in higher precision than its
  /// weight. The tensors are not copies.
  NamedTensors state() const;
  /// Restores saved `weights()` and a saved state. Throws UserError if names or shapes differ.
  void load_state(const NamedTensors& weights, const NamedTensors& state);

 private:
  NamedTensors all_state() const;

  NamedTensors weights_;
  NamedTensors averages_;
  at::Tensor updates_;  ///< int64 scalar on the weights' device
  double decay_;
};

/// Replaces the model's weights for the lifetime of the object, then restores them bit for bit.
class BorrowedWeights {
 public:
  /// `live` shares memory with the model; `values` must have the same names.
  BorrowedWeights(const NamedTensors& live, const NamedTensors& values);
  ~BorrowedWeights();
  BorrowedWeights(const BorrowedWeights&) = delete;
  BorrowedWeights& operator=(const BorrowedWeights&) = delete;

 private:
  NamedTensors live_;
  NamedTensors original_;
};

}  // namespace cloob
