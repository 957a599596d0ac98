// The number of samples that a shard should have, as stated in files beside it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace cloob {

/// The name of the file that img2dataset writes beside a shard: "00000_stats.json" for "00000.tar".
std::string stats_json_name(std::string_view shard_name);

/// `successes` in such a file. Throws UserError if `text` has no such number.
std::int64_t samples_in_stats_json(std::string_view text);

/// The content of webdataset's sizes.json, {"00000.tar": 1000, ...}. Throws UserError if `text` is anything
/// else.
using StatedSizes = std::map<std::string, std::int64_t>;
StatedSizes all_sizes_in_json(std::string_view text);

struct StatedSamples {
  std::int64_t samples = 0;
  std::string file;  ///< that states it, without its folder
};

/// The text of a file; nullopt if there is none. May throw UserError.
using ReadText = std::function<std::optional<std::string>(const std::string& name)>;
std::optional<std::string> read_local_text(const std::string& name);

/// Sample counts stated in files beside shards, on disk or on a server. Reads each file once. Thread-safe.
class StatedCounts {
 public:
  explicit StatedCounts(ReadText read = read_local_text) : read_(std::move(read)) {}

  /// The count in the shard's own "NNNNN_stats.json", otherwise in the folder's "sizes.json". Unusable files
  /// are skipped with a warning. `shard` is a path or an http(s) address.
  std::optional<StatedSamples> find(const std::string& shard);

 private:
  template <class Parse>
  auto parse_file(const std::string& file, const Parse& parse) const
      -> std::optional<decltype(parse(std::string()))>;

  ReadText read_;
  std::mutex mutex_;
  std::map<std::string, StatedSizes> sizes_;  // by folder
};

}  // namespace cloob
