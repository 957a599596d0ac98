#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace cloob {

/// Features of images and of their captions, L2-normalized rows.
///
/// An evaluation has its pairs in parts, of which each rank holds some consecutive ones. The parts depend only on the data and on
/// the size of batches: whatever is computed from one part, or from two, has the same bits for any number of ranks.
struct PairFeatures {
  at::Tensor image_ND;
  at::Tensor text_MD;                       ///< of captions of these images
  std::vector<std::int64_t> image_of_text;  ///< for each text, the row of its image
};

/// The row of each image's first text, int64, if texts of an image are consecutive and in the order of the images.
at::Tensor first_texts(const PairFeatures& part);

}  // namespace cloob
