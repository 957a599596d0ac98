#include "eval/division.h"

#include <ATen/ceil_div.h>

#include <algorithm>

namespace cloob {

// Few images are divided into many parts, which many ranks can share; retrieval compares each part with each, so that many images
// need larger ones, but the products of two parts should fit into a cache.
EvaluationParts::EvaluationParts(std::int64_t num_images, std::int64_t batch_size) : num_images_(num_images) {
  constexpr std::int64_t kParts = 128, kMaxImages = 256;
  const std::int64_t batches = at::ceil_div(num_images, batch_size);
  const std::int64_t most = std::max<std::int64_t>(1, kMaxImages / batch_size);
  images_per_part_ = batch_size * std::clamp<std::int64_t>(at::ceil_div(batches, kParts), 1, most);
}

Slice EvaluationParts::images_of(const Collectives& collectives) const {
  const Slice parts =
      slice_of(at::ceil_div(num_images_, images_per_part_), collectives.rank(), collectives.world_size());
  const std::int64_t first = std::min(num_images_, parts.first * images_per_part_);
  return {first, std::min(num_images_, (parts.first + parts.count) * images_per_part_) - first};
}

}  // namespace cloob
