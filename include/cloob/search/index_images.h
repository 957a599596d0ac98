// Encodes the images of a source into an index, batch by batch.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "cloob/data/source.h"
#include "cloob/eval/feature_encoder.h"
#include "cloob/search/index_format.h"
#include "cloob/search/index_writer.h"

namespace cloob {

/// Opens folders of images (all below them, sorted by path; hidden ones are left out), or tables or shards as make_source does.
/// Throws UserError.
std::shared_ptr<const Source> open_index_source(const DataConfig& config,
                                                const std::vector<std::string>& names);

struct IndexImagesOptions {
  bool with_texts = false;     ///< the features of first captions, too
  bool every_caption = false;  ///< with texts: an entry for each caption of an image, not only for the first
  bool with_thumbnails = false;
  FeatureType type = FeatureType::fp16;
  std::vector<std::filesystem::path> image_roots = {};  ///< folders that keys may be paths in
  IndexLayout layout = {};
  StopRequested stop_requested = {};
};

/// Adds the images of a source to an index. Returns how many images are usable. Throws like index_images.
std::int64_t add_image_rows(const FeatureEncoder& encoder, const EncodeOptions& options,
                            const std::shared_ptr<const Source>& source, IndexWriter& writer,
                            const IndexImagesOptions& what);

/// Writes the index `folder`. Unusable images are skipped and counted, up to options.data.max_bad_share. Memory is that of a few
/// batches, whatever the size of the source, and what lists and graphs take. `header` says model and sources. Throws UserError,
/// IndexingStopped and EvaluationStopped; an older index is then untouched.
IndexHeader index_images(const FeatureEncoder& encoder, const EncodeOptions& options,
                         const std::shared_ptr<const Source>& source, const std::filesystem::path& folder,
                         IndexHeader header, const IndexImagesOptions& what);

}  // namespace cloob
