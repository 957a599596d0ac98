#include "data/stream/stream_sizes.h"

#include <fmt/core.h>

#include <exception>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/json.h"
#include "cloob/base/log.h"
#include "cloob/base/parallel.h"
#include "cloob/base/text.h"
#include "cloob/base/timer.h"
#include "cloob/data/source_names.h"
#include "cloob/data/tar/index_file.h"
#include "data/stream/byte_stream.h"
#include "data/stream/stream_tar_input.h"
#include "data/tar/shard_counts.h"
#include "data/tar/shard_walk.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

// The key under which a count is cached. The same command may name another shard in another folder.
std::string cache_key(const std::string& name) {
  if (is_http_name(name)) return name;
  if (is_pipe_name(name)) return fmt::format("{} (in {})", name, fs::current_path().string());
  return fs::absolute(name).lexically_normal().string();
}

// To detect that a file has changed since it was counted; empty for commands and addresses.
FileStamp stamp_of_stream(const std::string& name) {
  return is_remote_name(name) ? FileStamp() : stamp_of(name);
}

struct CachedCount {
  FileStamp stamp;
  std::int64_t samples = 0;
};
using Counts = std::map<std::string, CachedCount>;

Counts read_counts(const fs::path& folder) {
  Counts counts;
  const fs::path path = stream_sizes_file(folder);
  std::error_code error;
  if (folder.empty() || !fs::exists(path, error)) return counts;
  try {
    const Json json = parse_json(read_file(path));
    for (const auto& [name, entry] : json.items()) {
      counts[name] = {{entry.at("bytes").get<std::uint64_t>(), entry.at("modified_ns").get<std::int64_t>()},
                      json_integer(entry.at("samples"), "samples", 0, kMaxShardSamples)};
    }
  } catch (const std::exception& failure) {
    log_warning("data", "'{}' is ignored, so streams are counted again: {}", path.string(), failure.what());
    counts.clear();
  }
  return counts;
}

// A file of that name which is something else must not be lost.
void require_json_or_nothing(const fs::path& path) {
  std::error_code error;
  if (!fs::exists(path, error)) return;
  const std::string content = read_file(path);
  if (content.empty() || trim(content).starts_with('{')) return;
  throw_user_error("'{}' exists and is not JSON, so it is not overwritten: move it away", path.string());
}

// Adds to the cached counts, which another process may have updated by now.
void save_counts(const fs::path& folder, const Counts& found) {
  if (folder.empty() || found.empty()) return;
  Counts counts = found;
  counts.merge(read_counts(folder));
  Json json = Json::object();
  for (const auto& [name, counted] : counts) {
    json[name] = {{"bytes", counted.stamp.bytes},
                  {"modified_ns", counted.stamp.modified_ns},
                  {"samples", counted.samples}};
  }
  try {
    make_directories(folder);
    require_json_or_nothing(stream_sizes_file(folder));
    const std::string text = json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
    write_file_atomically(stream_sizes_file(folder), text);
  } catch (const UserError& error) {
    log_warning("data", "the sizes of streams are not saved: {}", error.what());
  }
}

// Reads a file beside a stream; nullopt if there is none. A server that does not answer would not answer for
// the stream either.
std::optional<std::string> read_sidecar(const std::string& name, const StreamConfig& config) {
  if (!is_remote_name(name)) return read_local_text(name);
  try {
    return read_text_stream(name, config, {});
  } catch (const StreamError& error) {
    if (error.kind() == StreamError::Kind::permanent) return std::nullopt;
    throw StreamError(StreamError::Kind::transient, fmt::format("'{}': {}", name, error.what()));
  }
}

struct StreamSize {
  std::int64_t samples = 0;
  bool is_certain = true;  ///< worth caching
};

StreamSize count_samples(const std::string& name, const StreamConfig& config) {
  const auto stream = open_stream(name, config, {});
  StreamTarInput input(*stream);
  TarScanner scanner(input);
  ShardWalk walk(scanner);
  StreamSize size;
  std::string damage;
  try {
    while (const auto entry = walk.next()) {
      ++size.samples;
      if (entry->damage && damage.empty()) damage = *entry->damage;
    }
  } catch (const StreamError& error) {  // compressed data that is truncated or damaged
    if (size.samples == 0) throw;
    ++size.samples;  // the lost sample counts, as in a truncated tar file
    damage = error.what();
  }
  if (damage.empty() && !scanner.has_end_mark()) damage = "it has no end mark";
  if (damage.empty()) return size;
  log_warning("data",
              "'{}' may be truncated: {}; its {} samples are used, and counted again at the next start", name,
              damage, with_thousands(size.samples));
  size.is_certain = false;
  return size;
}

StreamSize find_size(const std::string& name, const StreamConfig& config, StatedCounts& stated) {
  try {
    if (!is_pipe_name(name)) {
      if (const auto found = stated.find(name)) return {found->samples};
    }
    return count_samples(name, config);
  } catch (const StreamError& error) {
    throw_user_error("'{}' cannot be read: {}", name, error.what());
  } catch (const TarError& error) {
    throw_user_error("'{}' is not a tar file: {}", name, error.what());
  }
}

/// Finds sizes on several threads, and saves them periodically: counting all may take hours.
class SizeFinder {
 public:
  SizeFinder(const StreamConfig& config, const IndexOptions& options)
      : config_(config),
        options_(options),
        stated_([&config](const std::string& name) { return read_sidecar(name, config); }),
        known_(read_counts(options.folder)) {}

  std::vector<std::int64_t> find(const std::vector<std::string>& names) {
    std::vector<std::int64_t> sizes(names.size());
    std::vector<std::size_t> unknown;
    for (std::size_t i = 0; i < names.size(); ++i) {
      const auto known = known_.find(cache_key(names[i]));
      const bool is_known = known != known_.end() && known->second.stamp == stamp_of_stream(names[i]);
      if (is_known) sizes[i] = known->second.samples;
      if (!is_known) unknown.push_back(i);
    }
    total_ = static_cast<std::int64_t>(unknown.size());
    try {
      parallel_for(total_, options_.threads, [&](std::int64_t k) {
        const std::size_t i = unknown[static_cast<std::size_t>(k)];
        sizes[i] = find_one(names[i]);
      });
    } catch (...) {
      save_counts(options_.folder, found_);
      throw;
    }
    save_counts(options_.folder, found_);
    return sizes;
  }

 private:
  std::int64_t find_one(const std::string& name) {
    constexpr double kSaveSeconds = 30;
    const FileStamp stamp = stamp_of_stream(name);
    const StreamSize size = find_size(name, config_, stated_);
    const std::lock_guard lock(mutex_);
    if (size.is_certain) found_[cache_key(name)] = {stamp, size.samples};
    if (since_saved_.seconds() > kSaveSeconds) {
      save_counts(options_.folder, found_);
      since_saved_.restart();
    }
    ++num_done_;
    if (options_.progress) options_.progress(num_done_, total_);
    return size.samples;
  }

  const StreamConfig& config_;
  const IndexOptions& options_;
  StatedCounts stated_;
  Counts known_;
  std::int64_t total_ = 0;
  std::mutex mutex_;  // guards the members below
  Counts found_;
  std::int64_t num_done_ = 0;
  Timer since_saved_;
};

}  // namespace

fs::path stream_sizes_file(const fs::path& folder) { return folder / "streams.json"; }

std::vector<std::int64_t> find_stream_sizes(const std::vector<std::string>& names, const StreamConfig& config,
                                            const IndexOptions& options) {
  return SizeFinder(config, options).find(names);
}

}  // namespace cloob
