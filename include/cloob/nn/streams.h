// Work of a GPU side by side. On the CPU, where everything is done when a function returns, these do nothing.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>
#include <c10/core/Event.h>
#include <c10/core/Stream.h>
#include <c10/core/StreamGuard.h>

#include <optional>

namespace cloob {

/// Gives what this thread computes on a GPU a stream of its own for the lifetime of the object: a graph
/// cannot be recorded on the default stream.
class ComputeStream {
 public:
  explicit ComputeStream(c10::Device device);

 private:
  c10::OptionalStreamGuard guard_;
};

/// A copy of a tensor on `device`, for which the host does not wait: it goes through pinned memory.
at::Tensor copy_to_device(const at::Tensor& tensor, c10::Device device);

/// Copies one tensor after another to a device while that computes.
class BackgroundCopy {
 public:
  explicit BackgroundCopy(c10::Device device);

  /// Begins to copy a tensor in pinned memory, which has to stay as it is until the work behind `take` is
  /// done.
  void start(const at::Tensor& tensor);
  /// The copy of `tensor`, which `start` began or else this call does. The device computes on it once it is
  /// there, the host does not wait.
  at::Tensor take(const at::Tensor& tensor);

 private:
  c10::Device device_;
  std::optional<c10::Stream> stream_;  ///< nothing on the CPU
  at::Tensor original_, copy_;
  std::optional<c10::Event> copied_;
};

}  // namespace cloob
