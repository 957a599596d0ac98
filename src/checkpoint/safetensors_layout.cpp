#include <ATen/core/Tensor.h>
#include <c10/core/ScalarType.h>

#include <algorithm>

#include "checkpoint/safetensors_header.h"
#include "cloob/base/error.h"

namespace cloob {

SafetensorsHeader lay_out(const NamedTensors& tensors, const std::map<std::string, std::string>& metadata) {
  SafetensorsHeader header{metadata, {}};
  for (const auto& [name, tensor] : tensors) {
    CLOOB_CHECK(tensor.defined() && tensor.layout() == at::kStrided, "tensor '{}' is not a dense tensor",
                name);
    CLOOB_CHECK(name != kSafetensorsMetadata, "'{}' is not a name for a tensor", name);
    header.entries.push_back({name, tensor.scalar_type(), tensor.sizes().vec(), 0, 0});
  }
  std::stable_sort(header.entries.begin(), header.entries.end(),
                   [](const TensorEntry& a, const TensorEntry& b) {
                     return c10::elementSize(a.dtype) > c10::elementSize(b.dtype);
                   });
  std::uint64_t position = 0;
  for (TensorEntry& entry : header.entries) {
    entry.begin = position;
    position += static_cast<std::uint64_t>(tensors.at(entry.name).numel()) * c10::elementSize(entry.dtype);
    entry.end = position;
  }
  return header;
}

}  // namespace cloob
