#include "cloob/nn/activation.h"

#include <ATen/ops/gelu.h>
#include <ATen/ops/silu.h>

#include "cloob/base/error.h"

namespace cloob {

at::Tensor activate(const at::Tensor& x, Activation activation) {
  switch (activation) {
    case Activation::gelu:
      return at::gelu(x);
    case Activation::quick_gelu: {
      // silu(a x) / a = x sigmoid(a x), but saves one tensor less for the backward pass.
      constexpr double kSlope = 1.702;
      return at::silu(x.mul(kSlope)).mul_(1 / kSlope);
    }
  }
  throw_internal_error(__FILE__, __LINE__, "activation", "unknown activation");
}

}  // namespace cloob
