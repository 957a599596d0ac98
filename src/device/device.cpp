#include "cloob/device/device.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/cpu/Utils.h>

#include "cloob/base/error.h"

namespace cloob {

namespace {

bool has_gpu() { return at::hasCUDA() && at::detail::getCUDAHooks().deviceCount() > 0; }

}  // namespace

c10::Device select_device(DeviceChoice choice) {
  if (choice == DeviceChoice::cuda && !has_gpu()) {
    throw_user_error("device 'cuda' was requested, but no CUDA device was found{}: use 'auto' or 'cpu'",
                     at::hasCUDA() ? "" : ", or this program was built without CUDA");
  }
  const bool use_cuda = has_gpu() && choice != DeviceChoice::cpu;
  return c10::Device(use_cuda ? c10::DeviceType::CUDA : c10::DeviceType::CPU);
}

bool selects_gpu(DeviceChoice choice) {
  return choice == DeviceChoice::cuda || (choice == DeviceChoice::auto_ && has_gpu());
}

Precision default_precision(DeviceChoice choice) {
  const bool has_bf16 = [choice] {
    if (!selects_gpu(choice)) return cpu_has_bf16_instructions();
    return !has_gpu() || at::detail::getCUDAHooks().supportsBFloat16ConvolutionWithCuDNNv8();
  }();
  return has_bf16 ? Precision::bf16 : Precision::fp32;
}

bool cpu_has_bf16_instructions() {
  const auto capabilities = at::cpu::get_cpu_capabilities();
  const auto has = [&](const char* name) {
    const auto found = capabilities.find(name);
    return found != capabilities.end() && found->second.isBool() && found->second.toBool();
  };
  return has("amx_bf16") || has("avx512_bf16");
}

void allow_tf32(bool allowed) {
  at::globalContext().setAllowTF32CuBLAS(allowed);
  at::globalContext().setAllowTF32CuDNN(allowed);
}

void set_num_threads(std::int64_t threads) { at::set_num_threads(static_cast<int>(threads)); }

std::int64_t num_threads() { return at::get_num_threads(); }

}  // namespace cloob
