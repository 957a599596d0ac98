#include "cloob/base/full_precision.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_vector_norm.h>

namespace cloob {

at::Tensor unit_rows(const at::Tensor& x) {
  const at::Tensor wide = at_least_fp32(x);
  return wide / at::linalg_vector_norm(wide, 2, -1, /*keepdim=*/true).clamp_min(1e-12);
}

}  // namespace cloob
