#include "checkpoint/state_file.h"

#include <fmt/core.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/printable.h"
#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/json.h"
#include "cloob/base/text.h"
#include "cloob/base/version.h"

namespace cloob {
namespace {

using Json = nlohmann::json;

// A change that older programs would misread increments the version; all older versions stay readable.
constexpr std::int64_t kFormatVersion = 1;
constexpr const char* kChecksumKey = "crc32";
// Of steps and samples. A run never gets there, and sums of such numbers do not overflow.
constexpr std::int64_t kMaxCount = 1'000'000'000'000'000;
constexpr std::int64_t kMaxRanks = 1'000'000;

// File names are not necessarily UTF-8.
std::string text_of(const Json& json, int indent = -1) {
  return json.dump(indent, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

std::string checksum_of(const Json& json) {
  const std::string text = text_of(json);
  FileDigest digest;
  digest.update(std::as_bytes(std::span(text.data(), text.size())));
  return fmt::format("{:08x}", digest.crc32);
}

std::uint32_t checksum_from(const std::string& path, const std::string& text) {
  std::uint32_t checksum = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), checksum, 16);
  if (error != std::errc() || end != text.data() + text.size()) {
    throw_user_error("'{}' is damaged: {} is not a checksum", path, in_quotes(text));
  }
  return checksum;
}

StateFile content_from(const std::string& path, const Json& json) {
  constexpr std::int64_t kMaxBytes = std::numeric_limits<std::int64_t>::max();
  StateFile content{training_state_from(json.at("state")), {}, json.at("created_by").get<std::string>()};
  for (const auto& [name, file] : json.at("files").items()) {
    content.files[name] = {static_cast<std::uint64_t>(json_integer(file.at("bytes"), "bytes", 0, kMaxBytes)),
                           checksum_from(path, file.at("crc32").get<std::string>())};
  }
  return content;
}

void check_format_version(const std::string& path, const Json& json) {
  const auto version = json.at("format_version").get<std::int64_t>();
  if (version >= 1 && version <= kFormatVersion) return;
  const std::string writer = json.value("created_by", "an unknown program");
  throw_user_error(
      "'{}' has format version {}, written by {}; this program ({}) reads versions 1 to {}: use a newer one",
      path, version, writer, kVersion, kFormatVersion);
}

}  // namespace

TrainingState training_state_from(const Json& json) {
  TrainingState state;
  const auto read = [&](const char* name, std::int64_t& number, std::int64_t min = 0,
                        std::int64_t max = kMaxCount) {
    number = json_integer(json.at(name), name, min, max);
  };
  // Before the first release these were stored elsewhere: such checkpoints can be used, but not resumed.
  const auto read_if_there = [&](const char* name, std::int64_t& number, std::int64_t min = 0,
                                 std::int64_t max = kMaxCount) {
    if (json.contains(name)) read(name, number, min, max);
  };
  read("step", state.step);
  read("samples_seen", state.samples_seen);
  read_if_there("bad_samples", state.bad_samples);
  const Json by_kind = json.value("bad_samples_by_kind", Json::object());
  for (const auto& [kind, tally] : by_kind.items()) {
    state.bad_samples_by_kind[kind] = {json_integer(tally.at("count"), kind, 0, kMaxCount),
                                       tally.at("examples").get<std::vector<std::string>>()};
  }
  read_if_there("data_position", state.data_position);
  read_if_there("data_size", state.data_size);
  read_if_there("data_ranks", state.data_ranks, /*min=*/1, kMaxRanks);
  read_if_there("evaluated_step", state.evaluated_step, /*min=*/-1);
  state.time_s = json.at("time_s").get<double>();
  for (const auto& [name, value] : json.at("metrics").items()) {
    state.metrics[name] = value.is_null() ? std::numeric_limits<double>::quiet_NaN() : value.get<double>();
  }
  return state;
}

void to_json(Json& json, const TrainingState& state) {
  json = {{"step", state.step},
          {"samples_seen", state.samples_seen},
          {"bad_samples", state.bad_samples},
          {"data_position", state.data_position},
          {"data_size", state.data_size},
          {"data_ranks", state.data_ranks},
          {"evaluated_step", state.evaluated_step},
          {"time_s", state.time_s},
          {"metrics", state.metrics}};  // values that are not finite become null
  json["bad_samples_by_kind"] = Json::object();
  for (const auto& [kind, tally] : state.bad_samples_by_kind) {
    json["bad_samples_by_kind"][kind] = {{"count", tally.count}, {"examples", tally.examples}};
  }
}

void write_state_file(const std::filesystem::path& folder, const StateFile& content) {
  Json json = {{"format_version", kFormatVersion},
               {"created_by", fmt::format("cloob {}", kVersion)},
               {"state", content.state},
               {"files", Json::object()}};
  for (const auto& [name, digest] : content.files) {
    json["files"][name] = {{"bytes", digest.bytes}, {"crc32", fmt::format("{:08x}", digest.crc32)}};
  }
  json[kChecksumKey] = checksum_of(json);
  OutputFile file(folder / kStateFile);
  file.write(text_of(json, 2) + "\n");
  file.finish();
}

StateFile read_state_file(const std::filesystem::path& folder) {
  const std::string path = (folder / kStateFile).string();
  const std::string text = read_file(path);
  try {
    Json json = parse_json(text);
    check_format_version(path, json);
    const auto checksum = json.at(kChecksumKey).get<std::string>();
    json.erase(kChecksumKey);
    if (checksum != checksum_of(json)) throw_user_error("'{}' is damaged: its checksum does not match", path);
    return content_from(path, json);
  } catch (const UserError&) {
    throw;
  } catch (const JsonError& error) {
    throw_user_error("'{}' is damaged: it {}", path, error.what());
  } catch (const std::exception&) {
    throw_user_error("'{}' is damaged: its {} bytes are not the state of a checkpoint", path,
                     with_thousands(static_cast<std::int64_t>(text.size())));
  }
}

}  // namespace cloob
