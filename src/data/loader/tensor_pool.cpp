#include "data/loader/tensor_pool.h"

#include <ATen/ops/empty.h>

namespace cloob {

at::Tensor TensorPool::get(at::IntArrayRef shape, at::ScalarType type, bool pinned) {
  std::size_t num_matching = 0;
  for (const at::Tensor& tensor : tensors_) {
    if (tensor.scalar_type() != type || tensor.sizes() != shape) continue;
    ++num_matching;
    // Neither the tensor nor a view of it is referenced elsewhere.
    if (tensor.use_count() == 1 && tensor.storage().use_count() == 1) return tensor;
  }
  at::Tensor tensor = at::empty(shape, at::TensorOptions(type).pinned_memory(pinned));
  if (num_matching < max_kept_) tensors_.push_back(tensor);
  return tensor;
}

}  // namespace cloob
