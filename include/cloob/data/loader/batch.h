#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace cloob {

/// Collated samples, ready for the towers. Row r of every member belongs to the same sample.
struct Batch {
  at::Tensor
      images_BCHW;  ///< float32, normalized; the usable samples only; (B, 3, 0, 0) if samples are not read
  at::Tensor tokens_BL;        ///< int64, padded to the longest of the batch; undefined in an image-only pass
  at::Tensor end_positions_B;  ///< int64, where each text is pooled; undefined in an image-only pass
  std::int64_t epoch = 0;
  std::vector<std::int64_t> places;   ///< of the samples in the order of the epoch
  std::vector<std::int64_t> indices;  ///< index of the sample in its source
  std::vector<std::string> keys;      ///< RawSample::key
  std::vector<std::string> captions;  ///< the captions that were tokenized; empty in an image-only pass
  /// In an image-only pass: all captions of each sample.
  std::vector<std::vector<std::string>> all_captions;
  std::int64_t encoded_bytes = 0;  ///< of the images, as stored
  std::int64_t num_bad = 0;        ///< unusable samples, which have no row
  std::int64_t num_truncated = 0;  ///< captions with more tokens than the context length

  /// Whether the inputs are on the device, in one of few shapes: texts are padded further and computed with
  /// their padding (TrainingTask::to_static_shape).
  bool has_static_shape = false;

  std::int64_t size() const { return static_cast<std::int64_t>(indices.size()); }
};

}  // namespace cloob
