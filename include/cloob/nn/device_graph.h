// Work of a GPU that is recorded once and then repeated without the CPU launching every kernel.
#pragma once

#include <c10/core/Device.h>

#include <functional>
#include <memory>

namespace cloob {

/// One recording.
class DeviceGraph {
 public:
  virtual ~DeviceGraph() = default;
  /// Records what `work` launches on the current stream; nothing is computed before `replay`. `work` neither
  /// waits for the device nor copies from memory that is not pinned. Called once. Throws c10::Error when
  /// something in `work` cannot be recorded.
  virtual void record(const std::function<void()>& work) = 0;
  /// Runs what was recorded, on the current stream, with the memory that it was recorded with.
  virtual void replay() = 0;
};

/// Makes graphs that share their memory: two of them must not run at once, and the results of one are lost
/// when another one runs.
using GraphFactory = std::function<std::unique_ptr<DeviceGraph>()>;

/// Null where `device` has no graphs, as the CPU.
GraphFactory graphs_of(c10::Device device);

}  // namespace cloob
