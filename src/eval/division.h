// How the work of an evaluation is divided between the ranks.
#pragma once

#include <cstdint>

#include "cloob/base/collectives.h"
#include "cloob/base/slice.h"

namespace cloob {

/// The parts that an evaluation has its images in (see PairFeatures), each a few whole batches, so that every batch is encoded by one
/// rank.
class EvaluationParts {
 public:
  /// Needs num_images >= 1 and batch_size >= 1.
  EvaluationParts(std::int64_t num_images, std::int64_t batch_size);

  /// The images of this rank, as places in the order of the evaluation.
  Slice images_of(const Collectives& collectives) const;
  std::int64_t part_of(std::int64_t place) const { return place / images_per_part_; }

 private:
  std::int64_t num_images_;
  std::int64_t images_per_part_;
};

}  // namespace cloob
