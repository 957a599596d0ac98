// Values that both the golden scripts and the tests compute from a name, so that they need not be stored.
#pragma once

#include <ATen/ATen.h>

#include <cmath>
#include <string>
#include <string_view>

namespace cloob::testing {

/// center + scale u with u in [-1, 1) from the FNV-1a hash of the name and SplitMix64 of the index, in
/// float32.
inline at::Tensor filled(std::string_view name, at::IntArrayRef shape, double center, double scale) {
  std::uint64_t seed = 0xcbf29ce484222325ULL;
  for (const char byte : name) seed = (seed ^ static_cast<unsigned char>(byte)) * 0x100000001b3ULL;
  const at::Tensor numbers = at::empty(shape, at::kFloat);
  auto* out = numbers.data_ptr<float>();
  for (std::int64_t index = 0; index < numbers.numel(); ++index) {
    std::uint64_t bits = seed + static_cast<std::uint64_t>(index) * 0x9e3779b97f4a7c15ULL;
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9ULL;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebULL;
    bits ^= bits >> 31;
    out[index] = static_cast<float>(center + scale * (static_cast<double>(bits >> 40) * 0x1.0p-23 - 1));
  }
  return numbers;
}

/// The weight that tools/goldens/formula.py gives a tensor of this name and shape.
inline at::Tensor formula_weight(const std::string& name, at::IntArrayRef shape) {
  const auto with = [&](double center, double scale) { return filled(name, shape, center, scale); };
  if (name == "logit_scale") return with(2.0, 0.0);
  if (name.ends_with("running_var")) return with(1.0, 0.5);
  if (name.ends_with("running_mean")) return with(0.0, 0.3);
  if (name.starts_with("visual.layer") && name.ends_with("bn3.weight")) return with(0.3, 0.2);
  if (name.ends_with("bias")) return with(0.0, 0.2);
  if (shape.size() == 1 && name.ends_with("weight")) return with(1.0, 0.3);
  if (name.ends_with("embedding") || name.ends_with("embedding.weight")) return with(0.0, 0.5);
  return with(0.0, 1.7 / std::sqrt(static_cast<double>(c10::multiply_integers(shape) / shape[0])));
}

}  // namespace cloob::testing
