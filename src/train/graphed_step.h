// GPU work that is captured once for each combination of shapes and then replayed.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "cloob/device/device_graph.h"

namespace cloob {

/// Runs a function of tensors eagerly the first two times for each combination of input shapes; then captures
/// it once and replays the capture from then on.
///
/// The work of the function may depend only on shapes: it must neither synchronize with the device nor read
/// values. It runs a backward pass that gives every leaf a gradient; the leaves must have none before each
/// call.
class GraphedStep {
 public:
  using Work = std::function<std::vector<at::Tensor>(const std::vector<at::Tensor>& inputs)>;
  /// Eager calls per combination of shapes. They let libraries choose algorithms and allocate workspaces,
  /// which a capture must not do.
  static constexpr int kCallsBeforeCapture = 2;

  GraphedStep(GraphFactory make_graph, Work work, std::vector<at::Tensor> leaves);

  /// Returns the outputs of the function; the gradients are valid until the next call. Throws UserError if
  /// the function cannot be captured.
  std::vector<at::Tensor> run(const std::vector<at::Tensor>& inputs);

 private:
  struct Captured {
    int num_calls = 0;
    std::unique_ptr<DeviceGraph> graph;  ///< null until it is captured
    std::vector<at::Tensor> outputs;     ///< the tensors it writes to, besides `gradients_`
  };
  std::vector<at::Tensor> copy_inputs(const std::vector<at::Tensor>& inputs);
  void attach_gradients();
  void capture(Captured& captured, const std::vector<at::Tensor>& static_inputs);

  GraphFactory make_graph_;
  Work work_;
  std::vector<at::Tensor> leaves_;
  using Shape = std::vector<std::int64_t>;
  std::map<std::vector<Shape>, Captured> captured_;
  // Shared by all graphs: separate inputs and gradients for each would multiply the memory.
  std::map<std::pair<std::size_t, Shape>, at::Tensor> static_inputs_;  ///< by index and shape
  std::vector<at::Tensor> gradients_;                                  ///< empty before the first capture
};

}  // namespace cloob
