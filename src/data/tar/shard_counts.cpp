#include "data/tar/shard_counts.h"

#include <filesystem>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/json.h"
#include "cloob/base/log.h"
#include "cloob/data/source_names.h"
#include "cloob/data/tar/shard_layout.h"

namespace cloob {
namespace {

using Json = nlohmann::json;

constexpr const char* kSizesFile = "sizes.json";

Json parse_object(std::string_view text) {
  Json json;
  try {
    json = parse_json(text);
  } catch (const JsonError& error) {
    throw_user_error("it {}", error.what());
  }
  if (!json.is_object()) throw_user_error("it is not a JSON object");
  return json;
}

std::int64_t count_in(const Json& json, const std::string& field) {
  try {
    return json_integer(json, field, 0, kMaxShardSamples);
  } catch (const JsonError& error) {
    throw_user_error("it {}", error.what());
  }
}

}  // namespace

std::string stats_json_name(std::string_view shard_name) {
  return std::string(shard_name.substr(0, shard_name.rfind(".tar"))) + "_stats.json";
}

std::int64_t samples_in_stats_json(std::string_view text) {
  const Json json = parse_object(text);
  const auto found = json.find("successes");
  if (found == json.end()) throw_user_error("it has no 'successes'");
  return count_in(*found, "successes");
}

StatedSizes all_sizes_in_json(std::string_view text) {
  const Json json = parse_object(text);
  StatedSizes sizes;
  for (const auto& [shard, size] : json.items()) sizes[shard] = count_in(size, shard);
  return sizes;
}

std::optional<std::string> read_local_text(const std::string& name) {
  std::error_code error;
  if (!std::filesystem::exists(name, error)) return std::nullopt;
  return read_file(name);
}

// The parsed file; nullopt if there is none or it cannot be used.
template <class Parse>
auto StatedCounts::parse_file(const std::string& file, const Parse& parse) const
    -> std::optional<decltype(parse(std::string()))> {
  try {
    if (const auto text = read_(file)) return parse(*text);
  } catch (const UserError& failure) {
    log_warning("data", "'{}' is ignored: {}", file, failure.what());
  }
  return std::nullopt;
}

std::optional<StatedSamples> StatedCounts::find(const std::string& shard) {
  const std::string path = is_http_name(shard) ? shard.substr(0, shard.find_first_of("?#")) : shard;
  const std::size_t begin = path.rfind('/') + 1;  // 0 if there is no folder
  const std::string folder = path.substr(0, begin), name = path.substr(begin);
  const std::string stats = stats_json_name(name);
  if (const auto samples = parse_file(folder + stats, samples_in_stats_json)) {
    return StatedSamples{*samples, stats};
  }
  const std::lock_guard lock(mutex_);
  const auto [sizes, is_new] = sizes_.try_emplace(folder);
  if (is_new) sizes->second = parse_file(folder + kSizesFile, all_sizes_in_json).value_or(StatedSizes());
  const auto size = sizes->second.find(name);
  if (size == sizes->second.end()) return std::nullopt;
  return StatedSamples{size->second, kSizesFile};
}

}  // namespace cloob
