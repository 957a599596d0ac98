#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "cloob/data/source.h"

namespace cloob {

/// Scans the shards that `names` stand for, unless an up-to-date index describes them, and writes one index
/// file per folder of shards: into `folder`, or beside the shards if it is empty. Sample counts of streams go
/// into `folder`, or the cache folder. Returns these files. Throws UserError.
std::vector<std::filesystem::path> index_shards(const std::vector<std::string>& names,
                                                const std::filesystem::path& folder, std::int64_t threads,
                                                const IndexProgress& progress,
                                                const StreamConfig& streams_config = {});

}  // namespace cloob
