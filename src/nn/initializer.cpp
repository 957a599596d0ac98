#include "cloob/nn/initializer.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include <utility>

namespace cloob {

Initializer::Initializer(c10::Device device, std::optional<at::Generator> generator)
    : device_(device), generator_(std::move(generator)) {}

Initializer Initializer::random(std::uint64_t seed) {
  return {at::kCPU, at::make_generator<at::CPUGeneratorImpl>(seed)};
}

Initializer Initializer::uninitialized() { return {at::kCPU, std::nullopt}; }

Initializer Initializer::shapes_only() { return {at::kMeta, std::nullopt}; }

at::Tensor Initializer::uniform(at::IntArrayRef shape, double bound) {
  const at::Tensor weight = at::empty(shape, at::TensorOptions(at::kFloat).device(device_));
  return generator_ ? rounded(weight.uniform_(-bound, bound, generator_)) : weight;
}

at::Tensor Initializer::normal(at::IntArrayRef shape, double standard_deviation) {
  const at::Tensor weight = embedding(shape, standard_deviation);
  return generator_ ? rounded(weight) : weight;
}

at::Tensor Initializer::embedding(at::IntArrayRef shape, double standard_deviation) {
  const at::Tensor weight = at::empty(shape, at::TensorOptions(at::kFloat).device(device_));
  return generator_ ? weight.normal_(0.0, standard_deviation, generator_) : weight;
}

at::Tensor Initializer::constant(at::IntArrayRef shape, double value) const {
  return at::full(shape, value, at::TensorOptions(at::kFloat).device(device_));
}

at::Tensor Initializer::counter() const {
  return at::zeros({}, at::TensorOptions(at::kLong).device(device_));
}

at::Tensor Initializer::rounded(const at::Tensor& weight) const {
  return round_to_fp16_ ? weight.to(at::kHalf).to(at::kFloat) : weight;
}

}  // namespace cloob
