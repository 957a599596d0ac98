// A substitute for a GPU graph on the CPU.
#pragma once

#include <functional>

#include "cloob/device/device_graph.h"

namespace cloob::testing {

/// Replays by running the captured work again.
class RerunGraph final : public DeviceGraph {
 public:
  void capture(const std::function<void()>& work) override { work_ = work; }
  void replay() override { work_(); }

 private:
  std::function<void()> work_;
};

}  // namespace cloob::testing
