// The layouts of the shards of one folder, stored in a file so that they are scanned only once.
//
// A preamble with magic, version and a checksum of everything, JSON about each shard, then four bytes per sample,
// which are checked once and afterwards read one by one: ten thousand shards of ten thousand samples take 400 MB on
// disk and next to nothing in memory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "cloob/data/tar/shard_layout.h"

namespace cloob {

/// Identifies the state of a file, to tell whether a shard has changed since it was scanned.
struct FileStamp {
  std::uint64_t bytes = 0;
  std::int64_t modified_ns = 0;  ///< since 1970
  bool operator==(const FileStamp&) const = default;
};

/// Throws UserError if there is no such file.
FileStamp stamp_of(const std::filesystem::path& file);

struct IndexedShard {
  FileStamp stamp;
  ShardLayout layout;
};

/// By file name without folder.
using ShardIndexes = std::map<std::string, IndexedShard>;

/// Where indexes are stored if no folder is set; empty if there is no cache folder.
std::filesystem::path default_index_folder();

/// "cloob.index" in the folder of the shards.
std::filesystem::path index_path_beside(const std::filesystem::path& shard_folder);

/// A file in `index_folder` whose name is derived from the absolute path of `shard_folder`.
std::filesystem::path index_path_in(const std::filesystem::path& index_folder,
                                    const std::filesystem::path& shard_folder);

/// Empty if the file is missing, damaged or of another version; the last two are logged.
ShardIndexes read_index_file(const std::filesystem::path& path);

/// Writes the file atomically. Throws UserError, also if there is another kind of file.
void write_index_file(const std::filesystem::path& path, const ShardIndexes& shards);

}  // namespace cloob
