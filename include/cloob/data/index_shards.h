#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "cloob/data/source.h"

namespace cloob {

/// Goes through the shards that `names` stand for, unless an index describes them as they are now, and writes
/// one index file for each folder that has some: into `folder`, or beside the shards where it is empty. The
/// numbers of samples of streams go into `folder`, or the cache folder. Returns these files. Throws
/// UserError.
std::vector<std::filesystem::path> index_shards(const std::vector<std::string>& names,
                                                const std::filesystem::path& folder, std::int64_t threads,
                                                const IndexProgress& progress,
                                                const StreamConfig& streams_config = {});

}  // namespace cloob
