#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

namespace cloob {

/// The state of the default generator of `device`, as a byte tensor on the CPU.
at::Tensor random_state(c10::Device device);
void set_random_state(c10::Device device, const at::Tensor& state);

}  // namespace cloob
