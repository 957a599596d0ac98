#include "cloob/checkpoint/export_weights.h"

#include <ATen/core/Tensor.h>

#include <vector>

#include "checkpoint/hugging_face_names.h"
#include "checkpoint/printable.h"
#include "cloob/base/error.h"

namespace cloob {

NamedTensors with_hugging_face_names(const NamedTensors& weights) {
  NamedTensors result;
  for (const auto& [name, tensor] : weights) {
    const auto stored = hugging_face_tensors(name);
    if (!stored) throw_user_error("a CLIPModel of transformers has no tensor {}", in_quotes(name));
    const auto num_parts = static_cast<std::int64_t>(stored->names.size());
    const at::Tensor whole = stored->transposed ? tensor.t() : tensor;
    // A scalar cannot be divided into chunks, even into one.
    const auto parts = num_parts == 1 ? std::vector<at::Tensor>{whole} : whole.chunk(num_parts);
    for (std::size_t i = 0; i < parts.size(); ++i) result.emplace(stored->names[i], parts[i].contiguous());
  }
  return result;
}

}  // namespace cloob
