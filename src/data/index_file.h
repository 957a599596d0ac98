// The layouts of the shards of one folder, kept in a file so that they are scanned once.
//
// A line with magic and version, a line of JSON about each shard, then four bytes for every sample, which are
// mapped and never read as a whole: ten thousand shards of ten thousand samples take 400 MB on the disk and
// next to nothing in memory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "data/shard_layout.h"

namespace cloob {

/// Tells whether a shard is still the file that was scanned.
struct FileStamp {
  std::uint64_t bytes = 0;
  std::int64_t modified_ns = 0;  ///< since 1970
  bool operator==(const FileStamp&) const = default;
};

/// Throws UserError when there is no such file.
FileStamp stamp_of(const std::filesystem::path& file);

struct IndexedShard {
  FileStamp stamp;
  ShardLayout layout;
};

/// By file name without its folder.
using ShardIndexes = std::map<std::string, IndexedShard>;

/// Where indexes are kept when no folder is named for them; empty where there is none.
std::filesystem::path default_index_folder();

/// "cloob.index" in the folder of the shards.
std::filesystem::path index_beside(const std::filesystem::path& shard_folder);

/// A file in `index_folder` whose name comes from the absolute path of `shard_folder`.
std::filesystem::path index_elsewhere(const std::filesystem::path& index_folder,
                                      const std::filesystem::path& shard_folder);

/// Nothing where the file is missing, damaged or of another version; the last two are logged.
ShardIndexes read_index_file(const std::filesystem::path& path);

/// Writes it atomically. Throws UserError.
void write_index_file(const std::filesystem::path& path, const ShardIndexes& shards);

}  // namespace cloob
