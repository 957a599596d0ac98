// A GPU's work, recorded once for each shape and then replayed.
#pragma once

#include <ATen/core/GraphImplInterface.h>
#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

namespace cloob {

/// Runs a function of tensors as it is, twice for inputs of one combination of shapes; then records it as a
/// graph (CUDA's) and from there on replays that, which spares the CPU the launch of every kernel.
///
/// What the function does may depend on shapes alone: it neither waits for the device nor reads values. It
/// may run a backward pass; the leaves, whose gradients that sets, have no gradients before each call.
/// Devices without graphs, such as the CPU, run the function every time.
class ReplayedWork {
 public:
  using Work = std::function<at::Tensor(const std::vector<at::Tensor>& inputs)>;

  ReplayedWork(c10::Device device, Work work, std::vector<at::Tensor> leaves);

  /// What the function gives for these inputs, on the device; it and the gradients are valid until the next
  /// call.
  at::Tensor run(const std::vector<at::Tensor>& inputs);

 private:
  struct Recording {
    int num_calls = 0;
    std::unique_ptr<at::GraphImplInterface> graph;  ///< null until it is recorded
    std::vector<at::Tensor> inputs;                 ///< where the graph reads
    at::Tensor output;                              ///< where it writes, as to the gradients
    std::vector<at::Tensor> gradients;
  };
  void record(Recording& recording, const std::vector<at::Tensor>& inputs);
  at::Tensor replay(const Recording& recording, const std::vector<at::Tensor>& inputs);

  c10::Device device_;
  Work work_;
  std::vector<at::Tensor> leaves_;
  c10::MempoolId_t pool_{0, 0};  ///< of all graphs, which never run at once
  std::map<std::vector<std::vector<std::int64_t>>, Recording> recordings_;  ///< by the inputs' shapes
};

}  // namespace cloob
