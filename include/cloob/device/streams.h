// Asynchronous work on a GPU. On the CPU, which is synchronous, all of this does nothing.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>
#include <c10/core/Event.h>
#include <c10/core/Stream.h>
#include <c10/core/StreamGuard.h>

#include <optional>
#include <vector>

namespace cloob {

/// Runs the GPU work of this thread on a separate stream for the lifetime of the object: a graph cannot be
/// captured on the default stream.
class ComputeStream {
 public:
  explicit ComputeStream(c10::Device device);

 private:
  c10::OptionalStreamGuard guard_;
};

/// Copies a tensor to `device` through pinned memory, without the host waiting for it: the content of a tensor
/// that is already pinned must not change before the device has read it.
at::Tensor copy_to_device(const at::Tensor& tensor, c10::Device device);

/// Scalars being copied asynchronously from the device to the host.
class HostNumbers {
 public:
  /// Starts copying device scalars, as float64.
  void start(const std::vector<at::Tensor>& scalars);
  bool is_pending() const { return on_host_.defined(); }
  /// Waits for the copy and returns the numbers. Call `start` first.
  std::vector<double> take();

 private:
  at::Tensor on_host_;
  std::optional<c10::Event> copied_;  ///< nullopt on the CPU
};

/// Copies tensors to a device, one after another, while the device computes.
class BackgroundCopy {
 public:
  explicit BackgroundCopy(c10::Device device);

  /// Starts copying a tensor in pinned memory. A reference is held until the copy is done, so that its memory
  /// is not reused.
  void start(const at::Tensor& tensor);
  /// The copy of `tensor`, started here if it was not the last tensor given to `start`. The current stream
  /// waits for the copy, the host does not.
  at::Tensor take(const at::Tensor& tensor);

 private:
  struct Copy {
    at::Tensor original, copy;
    c10::Event done;
  };
  void release_finished();

  c10::Device device_;
  std::optional<c10::Stream> stream_;  ///< nullopt on the CPU
  std::vector<Copy> copies_;           ///< the last one may be waiting for `take`
};

}  // namespace cloob
