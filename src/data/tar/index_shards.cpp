#include "cloob/data/tar/index_shards.h"

#include <algorithm>
#include <string>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/parallel.h"
#include "cloob/data/source_names.h"
#include "cloob/data/tar/index_file.h"
#include "cloob/data/tar/shard_index.h"
#include "data/stream/stream_sizes.h"

namespace cloob {

std::vector<std::filesystem::path> index_shards(const std::vector<std::string>& names,
                                                const std::filesystem::path& folder, std::int64_t threads,
                                                const IndexProgress& progress,
                                                const StreamConfig& streams_config) {
  if (!folder.empty()) make_directories(folder);
  std::vector<std::filesystem::path> shards = expand_source_names(split_sources(names));
  for (const auto& shard : shards) {
    if (format_by_name(shard.native()) == DataFormat::csv) {
      throw_user_error("'{}' is a table: only shards have an index", shard.string());
    }
  }
  const auto streams = std::ranges::stable_partition(
      shards, [](const auto& shard) { return !is_stream_name(shard.native()); });
  const std::vector<std::string> stream_names(streams.begin(), streams.end());
  shards.erase(streams.begin(), streams.end());
  IndexOptions options{.threads = resolve_threads(threads), .folder = {}, .progress = progress};
  auto files = update_index_files(shards, folder, options);
  if (!stream_names.empty()) {
    options.folder = folder.empty() ? default_index_folder() : folder;
    if (options.folder.empty()) throw_user_error("there is no cache folder: give a folder for the index");
    make_directories(options.folder);
    require_output_folder(stream_sizes_file(options.folder));
    find_stream_sizes(stream_names, streams_config, options);
    files.push_back(stream_sizes_file(options.folder));
  }
  return files;
}

}  // namespace cloob
