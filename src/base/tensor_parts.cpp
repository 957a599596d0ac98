#include "cloob/base/tensor_parts.h"

#include <ATen/ceil_div.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/as_strided.h>
#include <ATen/ops/cat.h>

#include <algorithm>
#include <vector>

#include "cloob/base/error.h"

namespace cloob {
namespace {

constexpr std::int64_t kAlignment = 64;          // elements
constexpr std::int64_t kBucketBytes = 32 << 20;  // that are exchanged together

std::int64_t first_of(std::int64_t num_elements, std::int64_t rank, std::int64_t world_size) {
  if (rank == world_size) return num_elements;
  // Without the product of two large numbers.
  const std::int64_t blocks = at::ceil_div(num_elements, kAlignment);
  const std::int64_t block = blocks / world_size * rank + blocks % world_size * rank / world_size;
  return std::min(num_elements, block * kAlignment);
}

// Exchanges the parts of some tensors of one type.
void gather_bucket(std::span<const at::Tensor> tensors, const Collectives& collectives) {
  const auto part = [&](const at::Tensor& tensor, std::int64_t rank) {
    return elements_of(tensor, part_of(tensor.numel(), rank, collectives.world_size()));
  };
  std::vector<at::Tensor> own;
  for (const at::Tensor& tensor : tensors) own.push_back(part(tensor, collectives.rank()));
  const at::Tensor all = collectives.gather_rows(at::cat(own)).rows_ND;
  std::int64_t first = 0;
  for (std::int64_t rank = 0; rank < collectives.world_size(); ++rank) {
    for (const at::Tensor& tensor : tensors) {
      const at::Tensor target = part(tensor, rank);
      if (rank != collectives.rank()) target.copy_(all.narrow(0, first, target.numel()));
      first += target.numel();
    }
  }
}

}  // namespace

ElementRange part_of(std::int64_t num_elements, std::int64_t rank, std::int64_t world_size) {
  const std::int64_t first = first_of(num_elements, rank, world_size);
  return {first, first_of(num_elements, rank + 1, world_size) - first};
}

at::Tensor elements_of(const at::Tensor& tensor, ElementRange range) {
  CLOOB_CHECK(tensor.is_non_overlapping_and_dense(), "a tensor with gaps has no consecutive elements");
  return at::as_strided(tensor.detach(), {range.count}, {1}, tensor.storage_offset() + range.first);
}

TensorPart part_of(const at::Tensor& whole, const Collectives& collectives) {
  const at::Tensor dense = whole.detach().contiguous();
  return {elements_of(dense, part_of(dense.numel(), collectives.rank(), collectives.world_size())),
          dense.sizes().vec()};
}

void gather_parts(std::span<const at::Tensor> tensors, const Collectives& collectives) {
  if (collectives.world_size() == 1) return;
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> bucket;
  std::int64_t bytes = 0;
  const auto flush = [&] {
    if (!bucket.empty()) gather_bucket(bucket, collectives);
    bucket.clear();
    bytes = 0;
  };
  for (const at::Tensor& tensor : tensors) {
    if (!bucket.empty() && bucket.back().scalar_type() != tensor.scalar_type()) flush();
    bucket.push_back(tensor);
    if ((bytes += static_cast<std::int64_t>(tensor.nbytes())) >= kBucketBytes) flush();
  }
  flush();
}

}  // namespace cloob
