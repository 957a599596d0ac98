#include "eval/exact_sum.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>

#include <array>
#include <cmath>

#include "cloob/base/error.h"

namespace cloob {

// A sum of at most 2^(exponent + 1) units has at most 2^61 quanta, and rounding adds half a quantum an addend.
ExactSum::ExactSum(at::IntArrayRef shape, double bound) : quanta_(at::zeros(shape, at::kLong)) {
  CLOOB_CHECK(std::isfinite(bound) && bound >= 0, "the bound of a sum is {}", bound);
  quanta_per_unit_ = bound > 0 ? std::ldexp(1.0, 60 - std::ilogb(bound)) : 1;
}

void ExactSum::add(const at::Tensor& addend) {
  quanta_.add_((addend.to(at::kDouble) * quanta_per_unit_).round_().to(at::kLong));
}

at::Tensor ExactSum::total(const Collectives& collectives) const {
  const at::Tensor quanta = quanta_.clone();
  collectives.sum_in_place(std::array{quanta});
  return quanta.to(at::kDouble) / quanta_per_unit_;
}

}  // namespace cloob
