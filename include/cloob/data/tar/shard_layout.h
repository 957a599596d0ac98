// Where the samples of one tar shard begin.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "cloob/base/tally.h"
#include "cloob/data/tar/sample_begins.h"

namespace cloob {

/// No shard has more samples: each takes a block of 512 bytes at least, and a shard has 2 TiB at most.
inline constexpr std::int64_t kMaxShardSamples = std::int64_t{1} << 32;

/// Four bytes per sample: names and sizes of members are in the shard itself, right before the data, and are
/// fetched by the same read.
struct ShardLayout {
  SampleBegins begins;
  std::uint64_t end = 0;  ///< offset past the last sample
  /// Suffixes of a sample's members, in order and joined by commas -> number of such samples.
  std::map<std::string, std::int64_t> kinds;
  std::map<std::int64_t, std::string> damage;  ///< index of a sample -> why it cannot be read
  bool has_end_mark = true;
  std::int64_t num_links = 0;  ///< members that are links, which belong to no sample
  Tally duplicate_keys;        ///< samples with the key of an earlier one in the shard; the first keys

  std::int64_t size() const { return begins.size(); }
};

/// Scans all headers of a shard (see ShardWalk). Throws UserError if the file is not a tar file.
ShardLayout scan_shard(const std::filesystem::path& path);

}  // namespace cloob
