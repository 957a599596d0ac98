// Arithmetic that must not lose precision, whatever the towers compute in.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/DispatchKeySet.h>
#include <c10/core/impl/LocalDispatchKeySet.h>

namespace cloob {

/// Keeps autocast away from the operations of this thread while it lives. It covers the forward pass: call
/// `backward` outside of autocast, as one should in any case.
class OutsideAutocast {
 private:
  c10::impl::ExcludeDispatchKeyGuard guard_{c10::autocast_dispatch_keyset};
};

/// Whether the elements are narrower than fp32.
inline bool is_below_fp32(const at::Tensor& tensor) {
  return at::elementSize(tensor.scalar_type()) < at::elementSize(at::kFloat);
}

/// Half and bfloat16 tensors as fp32; wider ones as they are.
inline at::Tensor at_least_fp32(const at::Tensor& tensor) {
  return tensor.to(c10::promoteTypes(tensor.scalar_type(), at::kFloat));
}

/// The vectors along the last dimension, each divided by its L2 norm, in at least fp32. A vector shorter than
/// 1e-12 stays short instead of becoming 0 / 0, as in torch.nn.functional.normalize.
at::Tensor unit_rows(const at::Tensor& x);

}  // namespace cloob
