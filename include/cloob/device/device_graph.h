// GPU work that is captured once and then replayed, without the CPU launching every kernel.
#pragma once

#include <c10/core/Device.h>

#include <functional>
#include <memory>

namespace cloob {

/// One graph of captured work.
class DeviceGraph {
 public:
  virtual ~DeviceGraph() = default;
  /// Captures what `work` launches on the current stream; nothing is computed before `replay`. `work` must
  /// neither synchronize with the device nor copy from unpinned memory. Call it once. Throws c10::Error if
  /// something in `work` cannot be captured.
  virtual void capture(const std::function<void()>& work) = 0;
  /// Runs the captured work on the current stream, on the memory addresses that it was captured with.
  virtual void replay() = 0;
};

/// Makes graphs that share a memory pool: they must not run concurrently, and running one invalidates the
/// results of the others.
using GraphFactory = std::function<std::unique_ptr<DeviceGraph>()>;

/// Null if `device` has no graphs, like the CPU.
GraphFactory graphs_of(c10::Device device);

}  // namespace cloob
