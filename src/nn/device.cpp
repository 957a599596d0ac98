#include "cloob/nn/device.h"

#include <ATen/Context.h>

#include "cloob/base/error.h"

namespace cloob {

c10::Device select_device(DeviceChoice choice) {
  const bool has_cuda = at::hasCUDA() && at::detail::getCUDAHooks().deviceCount() > 0;
  if (choice == DeviceChoice::cuda && !has_cuda) {
    throw_user_error("the device 'cuda' was asked for, but no CUDA device was found{}: use 'auto' or 'cpu'",
                     at::hasCUDA() ? "" : ", or this program was built without CUDA");
  }
  const bool use_cuda = has_cuda && choice != DeviceChoice::cpu;
  return c10::Device(use_cuda ? c10::DeviceType::CUDA : c10::DeviceType::CPU);
}

}  // namespace cloob
