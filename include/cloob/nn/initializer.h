// Where the parameters of a model under construction come from.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>

namespace cloob {

/// Makes the parameters of a model: drawn from a seed, without values because they will be loaded, or shapes
/// alone.
///
/// Every layer asks for its parameters in the order in which it registers them, so the same seed gives the
/// same model, bit for bit, whatever the number of threads. Tensors are float32; move the finished model to
/// its device.
class Initializer {
 public:
  static Initializer drawn(std::uint64_t seed);
  /// On the CPU, values undefined.
  static Initializer unset();
  /// On the meta device: costs no memory, for counting.
  static Initializer shapes_only();

  /// From now on `uniform` and `normal` give numbers that half precision can hold, as the published CLOOB
  /// code does.
  void round_to_fp16(bool enabled) { round_to_fp16_ = enabled; }

  /// Weights and biases in [-bound, bound).
  at::Tensor uniform(at::IntArrayRef shape, double bound);
  /// Weights of mean zero.
  at::Tensor normal(at::IntArrayRef shape, double standard_deviation);
  /// Like `normal`, but never rounded: class, token and position embeddings.
  at::Tensor embedding(at::IntArrayRef shape, double standard_deviation);
  /// Gains, zero biases and the statistics of batch normalisation.
  at::Tensor constant(at::IntArrayRef shape, double value) const;
  /// An int64 zero.
  at::Tensor counter() const;

 private:
  Initializer(c10::Device device, std::optional<at::Generator> generator);
  at::Tensor rounded(const at::Tensor& drawn) const;

  c10::Device device_;
  std::optional<at::Generator> generator_;
  bool round_to_fp16_ = false;
};

}  // namespace cloob
