// Where the samples of one tar shard lie.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>

namespace cloob {

/// Four bytes a sample: names and sizes of members stand in the shard itself, right before the data, and come
/// in with the same read.
struct ShardLayout {
  std::span<const std::uint32_t> begins;  ///< of every sample, in blocks of 512 bytes
  std::shared_ptr<const void> memory;     ///< what `begins` lies in
  std::uint64_t end = 0;                  ///< byte behind the last sample
  /// Suffixes of a sample's members, in their order and joined by commas -> number of such samples.
  std::map<std::string, std::int64_t> kinds;
  std::map<std::int64_t, std::string> damage;  ///< number of a sample -> why it cannot be read
  bool has_end_mark = true;

  std::int64_t size() const { return static_cast<std::int64_t>(begins.size()); }
};

/// Goes through all headers of a shard (see ShardWalk). Throws UserError for a file that is no tar file.
ShardLayout scan_shard(const std::filesystem::path& path);

}  // namespace cloob
