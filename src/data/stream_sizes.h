// How many samples streams have: to know that before they are read is what an order of all samples needs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "cloob/data/data_config.h"
#include "data/shard_index.h"

namespace cloob {

/// Finds the number of samples of each stream, in this order: what `options.folder` keeps from earlier times;
/// what a file beside the shard states (00012_stats.json of img2dataset, sizes.json of webdataset); by
/// reading the stream once. The result is kept in `options.folder`. Throws UserError for a stream that cannot
/// be read.
std::vector<std::int64_t> find_stream_sizes(const std::vector<std::string>& names, const StreamConfig& config,
                                            const IndexOptions& options);

/// The file in which `folder` keeps them.
std::filesystem::path stream_sizes_file(const std::filesystem::path& folder);

}  // namespace cloob
