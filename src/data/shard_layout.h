// Where the samples of one tar shard lie.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "cloob/base/tally.h"

namespace cloob {

/// A member's name taken apart: the sample's key (folders and the file name up to its first dot), and the
/// rest as suffix.
struct MemberName {
  std::string_view key;
  std::string suffix;  ///< in lower case; empty for names that belong to no sample
};
MemberName split_member_name(std::string_view name);

/// Four bytes a sample: names and sizes of members stand in the shard itself, right before the data, and come
/// in with the same read.
///
/// Members of one sample follow each other; a new one begins where the key changes or a suffix comes again. A
/// damaged stretch counts as one sample, so that the loss is seen and counted.
struct ShardLayout {
  std::span<const std::uint32_t> begins;  ///< of every sample, in blocks of 512 bytes
  std::shared_ptr<const void> memory;     ///< what `begins` lies in
  std::uint64_t end = 0;                  ///< byte behind the last sample
  /// Suffixes of a sample's members, in their order and joined by commas -> number of such samples.
  std::map<std::string, std::int64_t> kinds;
  std::map<std::int64_t, std::string> damage;  ///< number of a sample -> why it cannot be read
  bool has_end_mark = true;
  Tally duplicate_keys;  ///< samples whose key an earlier one of the shard has; the first of these keys

  std::int64_t size() const { return static_cast<std::int64_t>(begins.size()); }
};

/// Goes through all headers of a shard. Damage does not end it: it goes on at the next header that is one.
/// Throws UserError for a file that is no tar file.
ShardLayout scan_shard(const std::filesystem::path& path);

}  // namespace cloob
