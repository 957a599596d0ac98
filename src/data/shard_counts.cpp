#include "data/shard_counts.h"

#include <nlohmann/json.hpp>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/log.h"

namespace cloob {
namespace {

using Json = nlohmann::json;

constexpr const char* kSizesFile = "sizes.json";

Json parse_object(std::string_view text) {
  Json json = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) throw_user_error("it is no JSON object");
  return json;
}

std::int64_t count_in(const Json& json, const std::string& field) {
  if (!json.is_number_integer() || json.get<std::int64_t>() < 0) {
    throw_user_error("its '{}' is not a number of samples", field);
  }
  return json.get<std::int64_t>();
}

// What `parse` finds in the file; nothing where there is none, or where it cannot be read.
template <class Parse>
std::optional<StatedSamples> look_into(const std::filesystem::path& file, const Parse& parse) {
  std::error_code error;
  if (!std::filesystem::exists(file, error)) return std::nullopt;
  try {
    const std::optional<std::int64_t> samples = parse(read_file(file));
    if (samples) return StatedSamples{*samples, file.filename().string()};
  } catch (const UserError& failure) {
    log_warning("data", "'{}' is not used: {}", file.string(), failure.what());
  }
  return std::nullopt;
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

std::optional<std::int64_t> samples_in_sizes_json(std::string_view text, const std::string& shard_name) {
  const Json json = parse_object(text);
  const auto found = json.find(shard_name);
  if (found == json.end()) return std::nullopt;
  return count_in(*found, shard_name);
}

std::optional<StatedSamples> stated_samples(const std::filesystem::path& shard) {
  const std::string name = shard.filename().string();
  const std::filesystem::path folder = shard.parent_path();
  const auto of_shard = look_into(
      folder / stats_json_name(name),
      [](const std::string& text) -> std::optional<std::int64_t> { return samples_in_stats_json(text); });
  if (of_shard) return of_shard;
  return look_into(folder / kSizesFile,
                   [&](const std::string& text) { return samples_in_sizes_json(text, name); });
}

}  // namespace cloob
