#include "cloob/nn/compute.h"

#include <ATen/Context.h>
#include <ATen/autocast_mode.h>
#include <torch/nn/module.h>

#include "cloob/base/error.h"

namespace cloob {

c10::Device select_device(DeviceChoice choice) {
  const bool has_cuda = at::hasCUDA() && at::detail::getCUDAHooks().deviceCount() > 0;
  if (choice == DeviceChoice::cuda && !has_cuda) {
    throw_user_error("train.device is cuda, but {}: set it to auto or cpu",
                     at::hasCUDA() ? "no CUDA device was found" : "this program was built without CUDA");
  }
  const bool use_cuda = has_cuda && choice != DeviceChoice::cpu;
  return c10::Device(use_cuda ? c10::DeviceType::CUDA : c10::DeviceType::CPU);
}

Autocast::Autocast(Precision precision, c10::DeviceType device)
    : device_(device), active_(precision != Precision::fp32) {
  if (!active_) return;
  was_enabled_ = at::autocast::is_autocast_enabled(device_);
  previous_dtype_ = at::autocast::get_autocast_dtype(device_);
  at::autocast::set_autocast_dtype(device_, precision == Precision::bf16 ? at::kBFloat16 : at::kHalf);
  at::autocast::set_autocast_enabled(device_, true);
  at::autocast::increment_nesting();
}

Autocast::~Autocast() {
  if (!active_) return;
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
  at::autocast::set_autocast_enabled(device_, was_enabled_);
  at::autocast::set_autocast_dtype(device_, previous_dtype_);
}

EvalMode::EvalMode(torch::nn::Module& module) : module_(module), was_training_(module.is_training()) {
  module_.eval();
}

EvalMode::~EvalMode() { module_.train(was_training_); }

}  // namespace cloob
