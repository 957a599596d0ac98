#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace cloob {

/// Samples side by side, ready for the towers. Row r of every member belongs to the same sample.
struct Batch {
  at::Tensor images_BCHW;  ///< float32, normalised; the usable samples only
  at::Tensor tokens_BL;  ///< int64, padded to the longest of the batch; undefined in a pass over images alone
  at::Tensor end_positions_B;  ///< int64, where each text is pooled; undefined in a pass over images alone
  std::vector<std::int64_t> indices;  ///< number of the sample in its source
  std::vector<std::string> keys;      ///< RawSample::key
  std::vector<std::string> captions;  ///< the captions behind the tokens; empty in a pass over images alone
  /// In a pass over images alone: all captions of each sample.
  std::vector<std::vector<std::string>> all_captions;
  std::int64_t encoded_bytes = 0;  ///< of the images as they are stored
  std::int64_t num_bad = 0;        ///< places of this batch that were left empty

  std::int64_t size() const { return static_cast<std::int64_t>(indices.size()); }
};

}  // namespace cloob
