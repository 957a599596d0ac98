// How many samples a shard should have, as its makers wrote it down beside it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace cloob {

/// The name of the file that img2dataset writes beside a shard: "00000_stats.json" for "00000.tar".
std::string stats_json_name(std::string_view shard_name);

/// `successes` of such a file. Throws UserError when `text` has no such number.
std::int64_t samples_in_stats_json(std::string_view text);

/// What webdataset's sizes.json, {"00000.tar": 1000, ...}, says of one shard; nothing when it does not name
/// it. Throws UserError when `text` is something else.
std::optional<std::int64_t> samples_in_sizes_json(std::string_view text, const std::string& shard_name);

struct StatedSamples {
  std::int64_t samples = 0;
  std::string file;  ///< that says so, without its folder
};

/// What the files beside a shard say: its own "NNNNN_stats.json", and otherwise the folder's "sizes.json".
/// Files that cannot be read are passed over with a warning.
std::optional<StatedSamples> stated_samples(const std::filesystem::path& shard);

}  // namespace cloob
