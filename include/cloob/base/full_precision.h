// Arithmetic that must not lose precision, whatever the towers compute in.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/DispatchKeySet.h>
#include <c10/core/impl/LocalDispatchKeySet.h>

namespace cloob {

/// Disables autocast for the operations of this thread while the object lives. It covers the forward pass:
/// call `backward` outside of autocast, as recommended in any case.
class OutsideAutocast {
 private:
  c10::impl::ExcludeDispatchKeyGuard guard_{c10::autocast_dispatch_keyset};
};

/// Whether the elements are narrower than fp32.
inline bool is_below_fp32(const at::Tensor& tensor) {
  return at::elementSize(tensor.scalar_type()) < at::elementSize(at::kFloat);
}

/// Half and bfloat16 tensors converted to fp32; wider ones unchanged.
inline at::Tensor at_least_fp32(const at::Tensor& tensor) {
  return tensor.to(c10::promoteTypes(tensor.scalar_type(), at::kFloat));
}

/// L2-normalizes the vectors along the last dimension, in at least fp32. Norms are clamped to at least 1e-12,
/// as in torch.nn.functional.normalize, so that a zero vector stays zero instead of becoming 0 / 0.
at::Tensor unit_rows(const at::Tensor& x);

}  // namespace cloob
