#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

namespace cloob {

/// The state of the generator that random operations on `device` draw from: bytes, on the CPU.
at::Tensor random_state(c10::Device device);
void set_random_state(c10::Device device, const at::Tensor& state);

}  // namespace cloob
