// Creates the parameters of a model under construction.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>

namespace cloob {

/// Creates the parameters of a model: random from a seed, uninitialized because they will be loaded, or
/// shapes only.
///
/// Every layer creates its parameters in the order in which it registers them, so the same seed gives the
/// same model, bit for bit, for any number of threads. Tensors are float32; move the finished model to its
/// device.
class Initializer {
 public:
  static Initializer random(std::uint64_t seed);
  /// On the CPU; the values are undefined.
  static Initializer uninitialized();
  /// On the meta device: takes no memory, for counting parameters.
  static Initializer shapes_only();

  /// From now on `uniform` and `normal` round to values that fp16 can represent, as in the published CLOOB
  /// code.
  void round_to_fp16(bool enabled) { round_to_fp16_ = enabled; }

  /// Weights and biases in [-bound, bound).
  at::Tensor uniform(at::IntArrayRef shape, double bound);
  /// Weights with mean zero.
  at::Tensor normal(at::IntArrayRef shape, double standard_deviation);
  /// Like `normal`, but never rounded: for class, token and position embeddings.
  at::Tensor embedding(at::IntArrayRef shape, double standard_deviation);
  /// For gains, zero biases and the statistics of batch normalization.
  at::Tensor constant(at::IntArrayRef shape, double value) const;
  /// An int64 scalar of value zero.
  at::Tensor counter() const;

 private:
  Initializer(c10::Device device, std::optional<at::Generator> generator);
  at::Tensor rounded(const at::Tensor& weight) const;

  c10::Device device_;
  std::optional<at::Generator> generator_;
  bool round_to_fp16_ = false;
};

}  // namespace cloob
