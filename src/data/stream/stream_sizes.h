// Sample counts of streams: shuffling needs them before the streams are read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "cloob/data/data_config.h"
#include "cloob/data/tar/shard_index.h"

namespace cloob {

/// Finds the number of samples of each stream, from the first of these that has it: the counts cached in
/// `options.folder`; a file beside the shard (00012_stats.json of img2dataset, sizes.json of webdataset);
/// reading the stream once. The result is cached in `options.folder`. Throws UserError for a stream that
/// cannot be read.
std::vector<std::int64_t> find_stream_sizes(const std::vector<std::string>& names, const StreamConfig& config,
                                            const IndexOptions& options);

/// The file in `folder` that caches them.
std::filesystem::path stream_sizes_file(const std::filesystem::path& folder);

}  // namespace cloob
