#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace cloob {

/// Hands out tensors and uses the memory of those again that nobody holds any more: fresh pages cost as much
/// time as filling them. One thread uses a pool; tensors may be dropped anywhere.
class TensorPool {
 public:
  /// Keeps at most `most_kept` tensors of each shape.
  explicit TensorPool(std::size_t most_kept) : most_kept_(most_kept) {}

  /// An uninitialised tensor on the CPU, of pinned memory if asked for.
  at::Tensor get(at::IntArrayRef shape, at::ScalarType type, bool pinned = false);

 private:
  std::size_t most_kept_;
  std::vector<at::Tensor> kept_;
};

}  // namespace cloob
