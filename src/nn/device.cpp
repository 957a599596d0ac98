#include "cloob/nn/device.h"

#include <ATen/Context.h>
#include <ATen/cpu/Utils.h>
#include <c10/core/CachingDeviceAllocator.h>

#include "cloob/base/error.h"
#include "cloob/base/memory.h"

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

std::string bf16_instructions() {
  const auto capabilities = at::cpu::get_cpu_capabilities();
  const auto has = [&](const char* name) {
    const auto found = capabilities.find(name);
    return found != capabilities.end() && found->second.isBool() && found->second.toBool();
  };
  if (has("amx_bf16")) return "AMX";
  return has("avx512_bf16") ? "AVX512-BF16" : "";
}

void allow_tf32(bool allowed) {
  at::globalContext().setAllowTF32CuBLAS(allowed);
  at::globalContext().setAllowTF32CuDNN(allowed);
}

std::uint64_t peak_memory_bytes(c10::Device device) {
  if (device.is_cpu()) return peak_rss_bytes();
  const auto index = device.has_index() ? device.index() : c10::DeviceIndex{0};
  const auto stats = c10::getDeviceAllocator(device.type())->getDeviceStats(index);
  return static_cast<std::uint64_t>(stats.allocated_bytes[0].peak);
}

}  // namespace cloob
