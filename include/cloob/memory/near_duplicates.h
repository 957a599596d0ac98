// Entries of a memory that are images of an evaluation, or nearly so.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "cloob/search/index_writer.h"
#include "cloob/search/search_index.h"

namespace cloob {

struct NearDuplicateOptions {
  double threshold = 0.95;  ///< cosine from which on an image is the same
  std::int64_t threads = 0;
  StopRequested stop_requested = {};
  std::function<void(std::int64_t entries_done)> progress = {};
};

/// The entries that were not removed whose image has at least that cosine with one of some images, of which these are the features
/// (M, D) in any floating type; in order. Every entry is compared with every image, whatever the kind of the index. Throws UserError
/// if the index has no features of images, and IndexingStopped.
std::vector<std::int64_t> find_near_duplicates(const SearchIndex& index, const at::Tensor& images_MD,
                                               const NearDuplicateOptions& options);

}  // namespace cloob
