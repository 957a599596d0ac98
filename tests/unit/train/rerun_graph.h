// Stands for a GPU's graph on the CPU.
#pragma once

#include <functional>

#include "cloob/nn/device_graph.h"

namespace cloob::testing {

/// At a replay, runs what it was to record.
class RerunGraph final : public DeviceGraph {
 public:
  void record(const std::function<void()>& work) override { work_ = work; }
  void replay() override { work_(); }

 private:
  std::function<void()> work_;
};

}  // namespace cloob::testing
