#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace cloob {

/// Allocates tensors and reuses the memory of those that are no longer referenced: faulting in new pages
/// takes as long as filling them. A pool is used by one thread; its tensors may be released on any.
class TensorPool {
 public:
  /// Keeps at most `max_kept` tensors of each shape.
  explicit TensorPool(std::size_t max_kept) : max_kept_(max_kept) {}

  /// An uninitialized CPU tensor, in pinned memory if requested.
  at::Tensor get(at::IntArrayRef shape, at::ScalarType type, bool pinned = false);

 private:
  std::size_t max_kept_;
  std::vector<at::Tensor> tensors_;
};

}  // namespace cloob
