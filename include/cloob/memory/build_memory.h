// Encodes pairs into a memory, in parts that are complete or absent: on all ranks, and so that it can be interrupted.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include "cloob/base/collectives.h"
#include "cloob/data/source.h"
#include "cloob/eval/feature_encoder.h"
#include "cloob/search/index_format.h"
#include "cloob/search/index_images.h"
#include "cloob/search/removed_rows.h"

namespace cloob {

struct BuildOptions {
  IndexImagesOptions entries = {};
  std::int64_t part_samples = 8192;  ///< samples of a part
};

/// Throws UserError if there is something else than an empty folder, or nothing, in the place of a new memory. A memory that is there
/// is never replaced.
void require_new_memory(const std::filesystem::path& folder);

/// Encodes the pairs of a source into a new memory. Its parts are in the folder FOLDER.parts until then: if this is interrupted, at any
/// moment, the same call goes on with those that are complete, also on another number of ranks. A memory that the same call has made
/// is left as it is. `header` says model and sources.
///
/// A collective operation; rank 0 joins the parts. The result does not depend on ranks and interruptions. Unusable samples are skipped
/// and counted, up to options.data.max_bad_share. Throws UserError, EvaluationStopped and IndexingStopped.
IndexHeader build_memory(const FeatureEncoder& encoder, const EncodeOptions& options,
                         const std::shared_ptr<const Source>& source, const std::filesystem::path& folder,
                         const IndexHeader& header, const BuildOptions& what, const Collectives& collectives);

/// The same, to add the pairs to a memory: it is replaced by one with the entries of both, without those that were removed. `header`
/// says model, which is that of the memory, and sources. Rank 0 has a lock, the others null.
IndexHeader add_to_memory(const FeatureEncoder& encoder, const EncodeOptions& options,
                          const std::shared_ptr<const Source>& source, const std::filesystem::path& folder,
                          const IndexHeader& header, const BuildOptions& what, const IndexLock* lock,
                          const Collectives& collectives);

}  // namespace cloob
