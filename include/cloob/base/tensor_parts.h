// Tensors of which every rank of a run has a part.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "cloob/base/collectives.h"

namespace cloob {

/// Consecutive elements of a tensor, in the order in which they are stored.
struct ElementRange {
  std::int64_t first = 0;
  std::int64_t count = 0;
};

/// The elements that belong to a rank: about equally many each, in rank order. All but the last range are multiples of 64
/// elements, so that vector instructions compute an element in the same way as in the whole tensor.
ElementRange part_of(std::int64_t num_elements, std::int64_t rank, std::int64_t world_size);

/// A view of these elements, as one dimension. The tensor has to be dense in memory.
at::Tensor elements_of(const at::Tensor& tensor, ElementRange range);

/// A part of a tensor, to be stored apart from the others.
struct TensorPart {
  at::Tensor elements;              ///< in the order in which the whole is stored, as one dimension
  std::vector<std::int64_t> shape;  ///< of the whole, which is contiguous
};
using TensorParts = std::map<std::string, TensorPart>;

/// This rank's part of a tensor that all have.
TensorPart part_of(const at::Tensor& whole, const Collectives& collectives);

/// Replaces the parts of other ranks by their values, in all tensors. Shapes and types are the same everywhere. A collective
/// operation.
void gather_parts(std::span<const at::Tensor> tensors, const Collectives& collectives);

}  // namespace cloob
