// Where the samples of one tar shard begin.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "cloob/base/tally.h"

namespace cloob {

/// Four bytes per sample: names and sizes of members are in the shard itself, right before the data, and are
/// fetched by the same read.
struct ShardLayout {
  std::span<const std::uint32_t> begins;  ///< of every sample, in blocks of 512 bytes
  std::shared_ptr<const void> memory;     ///< owner of `begins`
  std::uint64_t end = 0;                  ///< offset past the last sample
  /// Suffixes of a sample's members, in order and joined by commas -> number of such samples.
  std::map<std::string, std::int64_t> kinds;
  std::map<std::int64_t, std::string> damage;  ///< index of a sample -> why it cannot be read
  bool has_end_mark = true;
  Tally duplicate_keys;  ///< samples with the key of an earlier one in the shard; the first keys

  std::int64_t size() const { return static_cast<std::int64_t>(begins.size()); }
};

/// Scans all headers of a shard (see ShardWalk). Throws UserError if the file is not a tar file.
ShardLayout scan_shard(const std::filesystem::path& path);

}  // namespace cloob
