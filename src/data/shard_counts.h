// How many samples a shard should have, as its makers wrote it down beside it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace cloob {

/// The name of the file that img2dataset writes beside a shard: "00000_stats.json" for "00000.tar".
std::string stats_json_name(std::string_view shard_name);

/// `successes` of such a file. Throws UserError when `text` has no such number.
std::int64_t samples_in_stats_json(std::string_view text);

/// What webdataset's sizes.json, {"00000.tar": 1000, ...}, says. Throws UserError when `text` is something
/// else.
using StatedSizes = std::map<std::string, std::int64_t>;
StatedSizes all_sizes_in_json(std::string_view text);

struct StatedSamples {
  std::int64_t samples = 0;
  std::string file;  ///< that says so, without its folder
};

/// What the files beside shards say. Reads each of them once. Thread-safe.
class StatedCounts {
 public:
  /// What the shard's own "NNNNN_stats.json" says, and otherwise the folder's "sizes.json". Files that cannot
  /// be read are passed over with a warning.
  std::optional<StatedSamples> find(const std::filesystem::path& shard);

 private:
  std::mutex mutex_;
  std::map<std::filesystem::path, StatedSizes> sizes_;  // by folder
};

}  // namespace cloob
