#include "prepare/pack_folder.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/json.h"
#include "cloob/base/staged_folder.h"
#include "cloob/base/text.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* kPlanFile = "pack.json";

std::string as_text(const Json& json, int indent) {
  return json.dump(indent, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace) + "\n";
}

// A partially written file that a crash has left: NAME.tmp123.
bool is_temporary_file(const fs::path& path) {
  const std::string extension = path.extension().string();
  return extension.starts_with(".tmp") && parse_integer(extension.substr(4)).has_value();
}

// A folder with only a plan counts as empty: there is no shard that could be lost.
bool is_empty_folder(const fs::path& folder) {
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    if (!is_temporary_file(entry->path()) && entry->path().filename() != kPlanFile) return false;
  }
  if (error) throw_user_error("cannot list the folder '{}': {}", folder.string(), error.message());
  return true;
}

void remove_temporary_files(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> temporary_files;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (is_temporary_file(entry.path())) temporary_files.push_back(entry.path());
  }
  for (const fs::path& temporary_file : temporary_files) fs::remove(temporary_file, error);
}

// "resize was 256 and is 224 now"; empty if the plans are equal.
std::string describe_difference(const Json& plan_before, const Json& plan_now) {
  const Json flat_before = plan_before.flatten(), flat_now = plan_now.flatten();
  const auto value_in = [](const Json& flat, const std::string& name) {
    return flat.contains(name) ? flat.at(name).dump() : "not set";
  };
  for (const Json& flat : {flat_now, flat_before}) {
    for (const auto& [name, value] : flat.items()) {
      const std::string before = value_in(flat_before, name), now = value_in(flat_now, name);
      if (before == now) continue;
      if (name == "/source/fingerprint") return "the source has changed, or was named differently";
      std::string words = name.substr(1);
      std::replace(words.begin(), words.end(), '/', ' ');
      return fmt::format("{} was {} and is {} now", words, before, now);
    }
  }
  return "";
}

}  // namespace

void add_counts(BadSampleCounts& counts, const BadSampleCounts& more) {
  for (const BadKind kind : more.kinds()) counts.add_all(kind, more.of(kind));
}

PackFolder::PackFolder(fs::path path, const Json& plan, bool resume) : path_(std::move(path)) {
  make_directories(path_);
  const bool is_started = fs::exists(path_ / kPlanFile);
  if (resume && is_started) {
    require_same_plan(plan);
  } else if (!is_empty_folder(path_)) {
    throw_user_error("'{}' is not empty: name a new folder{}", path_.string(),
                     is_started ? ", or add --resume to continue in it" : ", or empty it first");
  }
  remove_temporary_files(path_);
  write_file_atomically(path_ / kPlanFile, as_text(plan, 2));
}

void PackFolder::require_same_plan(const Json& plan) const {
  const fs::path file = path_ / kPlanFile;
  Json before;
  try {
    before = parse_json<Json>(read_file(file));
  } catch (const JsonError&) {  // reported below
  }
  if (!before.is_object()) throw_user_error("'{}' is damaged: name a new folder", file.string());
  const std::string difference = describe_difference(before, parse_json<Json>(as_text(plan, -1)));
  if (difference.empty()) return;
  throw_user_error(
      "'{}' was started with a different plan ({}): give the same source and options to continue, or name a "
      "new folder",
      path_.string(), difference);
}

void PackFolder::remove_if_useless() const {
  std::error_code error;
  if (fs::exists(report_path(0), error)) return;
  for (const fs::path& entry : paths_in(path_)) {
    if (entry.filename() != kPlanFile && entry.extension() != ".tar") return;
  }
  fs::remove_all(path_, error);
}

std::string PackFolder::shard_name(std::int64_t shard) { return fmt::format("{:05}.tar", shard); }

fs::path PackFolder::report_path(std::int64_t shard) const {
  return path_ / fmt::format("{:05}_stats.json", shard);
}

std::optional<ShardReport> PackFolder::find_report(std::int64_t shard) const {
  std::error_code error;
  if (!fs::exists(report_path(shard), error)) return std::nullopt;
  try {
    const auto json = parse_json<Json>(read_file(report_path(shard)));
    if (fs::file_size(shard_path(shard), error) != json.at("bytes").get<std::uintmax_t>())
      return std::nullopt;
    ShardReport report = {json.at("count").get<std::int64_t>(), json.at("successes").get<std::int64_t>(), {}};
    for (std::size_t i = 0; i < kNumBadKinds; ++i) {
      const auto kind = static_cast<BadKind>(i);
      const auto found = json.at("unusable").find(bad_kind_id(kind));
      if (found == json.at("unusable").end()) continue;
      report.bad.add_all(kind, {found->at("count").get<std::int64_t>(),
                                found->at("examples").get<std::vector<std::string>>()});
    }
    return report;
  } catch (const std::exception&) {  // rewritten
    return std::nullopt;
  }
}

void PackFolder::write_report(std::int64_t shard, const ShardReport& report) const {
  Json json = {{"count", report.count},
               {"successes", report.successes},
               {"failed_to_download", 0},
               {"failed_to_resize", report.bad.total()},
               {"bytes", fs::file_size(shard_path(shard))},
               {"unusable", Json::object()}};
  for (const BadKind kind : report.bad.kinds()) {
    json["unusable"][bad_kind_id(kind)] = {{"count", report.bad.count(kind)},
                                           {"examples", report.bad.examples(kind)}};
  }
  write_file_atomically(report_path(shard), as_text(json, 2));
}

void PackFolder::write_sizes(const std::map<std::string, std::int64_t>& size_of_shard) const {
  write_file_atomically(path_ / "sizes.json", as_text(size_of_shard, 2));
}

}  // namespace cloob
