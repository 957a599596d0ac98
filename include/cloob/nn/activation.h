#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <string_view>
#include <utility>

#include "cloob/config/field.h"

namespace cloob {

/// The activation function of a transformer's MLPs. It cannot be inferred from a weights file, and using the
/// wrong one costs accuracy.
enum class Activation {
  gelu,        ///< x Phi(x), exact
  quick_gelu,  ///< x sigmoid(1.702 x), used by OpenAI's and CLOOB's models
};

template <>
struct EnumNames<Activation> {
  static constexpr std::array<std::pair<std::string_view, Activation>, 2> names{
      {{"gelu", Activation::gelu}, {"quick_gelu", Activation::quick_gelu}}};
};

at::Tensor activate(const at::Tensor& x, Activation activation);

}  // namespace cloob
