// A GPU's work, recorded once for each shape and then replayed.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "cloob/nn/device_graph.h"

namespace cloob {

/// Runs a function of tensors as it is, twice for inputs of one combination of shapes; then records it and
/// from there on replays that.
///
/// What the function does may depend on shapes alone: it neither waits for the device nor reads values. It
/// runs a backward pass that gives every leaf a gradient; the leaves have none before each call.
class ReplayedWork {
 public:
  using Work = std::function<at::Tensor(const std::vector<at::Tensor>& inputs)>;
  /// Of one combination of shapes. They choose algorithms and make what libraries keep, which a recording
  /// must not.
  static constexpr int kCallsBeforeRecording = 2;

  ReplayedWork(GraphFactory make_graph, Work work, std::vector<at::Tensor> leaves);

  /// What the function gives for these inputs; the gradients are valid until the next call. Throws UserError
  /// when the function cannot be recorded.
  at::Tensor run(const std::vector<at::Tensor>& inputs);

 private:
  struct Recording {
    int num_calls = 0;
    std::unique_ptr<DeviceGraph> graph;  ///< null until it is recorded
    at::Tensor output;                   ///< where it writes, beside `gradients_`
  };
  std::vector<at::Tensor> hold(const std::vector<at::Tensor>& inputs);
  void give_gradients();
  void record(Recording& recording, const std::vector<at::Tensor>& held);

  GraphFactory make_graph_;
  Work work_;
  std::vector<at::Tensor> leaves_;
  using Shape = std::vector<std::int64_t>;
  std::map<std::vector<Shape>, Recording> recordings_;
  // All recordings read and write here: each with inputs and gradients of its own would take as much memory
  // again.
  std::map<std::pair<std::size_t, Shape>, at::Tensor> held_inputs_;  ///< by place and shape
  std::vector<at::Tensor> gradients_;                                ///< empty before the first recording
};

}  // namespace cloob
