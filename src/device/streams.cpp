#include "cloob/device/streams.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <utility>

#include "cloob/base/error.h"

namespace cloob {
namespace {

c10::Stream stream_from_pool(c10::Device device) {
  return c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device);
}

c10::Stream current_stream(c10::Device device) {
  return c10::impl::VirtualGuardImpl(device.type()).getStream(device);
}

}  // namespace

ComputeStream::ComputeStream(c10::Device device) {
  if (!device.is_cpu()) guard_.reset_stream(stream_from_pool(device));
}

at::Tensor copy_to_device(const at::Tensor& tensor, c10::Device device) {
  return device.is_cpu() || !tensor.is_cpu() ? tensor.to(device)
                                             : tensor.pin_memory().to(device, /*non_blocking=*/true);
}

void HostNumbers::start(const std::vector<at::Tensor>& scalars) {
  std::vector<at::Tensor> numbers;
  for (const at::Tensor& scalar : scalars) numbers.push_back(scalar.detach().to(at::kDouble));
  const at::Tensor on_device = at::stack(numbers);
  const c10::Device device = on_device.device();
  if (device.is_cpu()) {
    on_host_ = on_device;
    return;
  }
  on_host_ = at::empty(on_device.sizes(), at::TensorOptions(at::kDouble).pinned_memory(true));
  on_host_.copy_(on_device, /*non_blocking=*/true);
  copied_.emplace(device.type());
  copied_->record(current_stream(device));
}

std::vector<double> HostNumbers::take() {
  CLOOB_CHECK(is_pending(), "take() without a preceding start()");
  if (copied_) copied_->synchronize();
  copied_.reset();
  const at::Tensor numbers = std::exchange(on_host_, {});
  const double* const first = numbers.const_data_ptr<double>();
  return {first, first + numbers.numel()};
}

BackgroundCopy::BackgroundCopy(c10::Device device) : device_(device) {
  if (!device.is_cpu()) stream_ = stream_from_pool(device);
}

void BackgroundCopy::start(const at::Tensor& tensor) {
  if (!stream_) return;
  release_finished();
  const c10::StreamGuard guard(*stream_);
  Copy started{tensor, tensor.to(device_, /*non_blocking=*/true), c10::Event(device_.type())};
  started.done.record(*stream_);
  copies_.push_back(std::move(started));
}

at::Tensor BackgroundCopy::take(const at::Tensor& tensor) {
  if (!stream_) return tensor;
  if (copies_.empty() || !copies_.back().original.is_same(tensor)) start(tensor);
  Copy& started = copies_.back();
  const c10::Stream compute_stream = current_stream(device_);
  started.done.block(compute_stream);
  // Otherwise the allocator could reuse the memory once the copy stream is done with it.
  started.copy.record_stream(compute_stream);
  return std::exchange(started.copy, {});
}

void BackgroundCopy::release_finished() {
  std::erase_if(copies_, [](const Copy& copy) { return !copy.copy.defined() && copy.done.query(); });
}

}  // namespace cloob
