#include "cloob/nn/streams.h"

#include <c10/core/impl/VirtualGuardImpl.h>

#include <utility>

namespace cloob {
namespace {

c10::Stream stream_of_its_own(c10::Device device) {
  return c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device);
}

c10::Stream current_stream(c10::Device device) {
  return c10::impl::VirtualGuardImpl(device.type()).getStream(device);
}

}  // namespace

ComputeStream::ComputeStream(c10::Device device) {
  if (!device.is_cpu()) guard_.reset_stream(stream_of_its_own(device));
}

at::Tensor copy_to_device(const at::Tensor& tensor, c10::Device device) {
  return device.is_cpu() || !tensor.is_cpu() ? tensor.to(device)
                                             : tensor.pin_memory().to(device, /*non_blocking=*/true);
}

BackgroundCopy::BackgroundCopy(c10::Device device) : device_(device) {
  if (device.is_cpu()) return;
  stream_ = stream_of_its_own(device);
  copied_.emplace(device.type());
}

void BackgroundCopy::start(const at::Tensor& tensor) {
  if (!stream_) return;
  const c10::StreamGuard guard(*stream_);
  original_ = tensor;
  copy_ = tensor.to(device_, /*non_blocking=*/true);
  copied_->record(*stream_);
}

at::Tensor BackgroundCopy::take(const at::Tensor& tensor) {
  if (!original_.is_same(tensor)) return tensor.to(device_, /*non_blocking=*/true);
  original_.reset();
  const c10::Stream computing = current_stream(device_);
  copied_->block(computing);
  // Or its memory would be given away when the copying stream is done with it.
  copy_.record_stream(computing);
  return std::exchange(copy_, {});
}

}  // namespace cloob
