#include "data/stream_sizes.h"

#include <fmt/core.h>

#include <exception>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/log.h"
#include "cloob/base/text.h"
#include "cloob/base/timer.h"
#include "data/byte_stream.h"
#include "data/index_file.h"
#include "data/parallel.h"
#include "data/shard_counts.h"
#include "data/shard_walk.h"
#include "data/source_names.h"
#include "data/stream_tar_input.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

// What a count is kept under. The text of a command alone may mean another shard in another folder.
std::string kept_name(const std::string& name) {
  if (is_http_name(name)) return name;
  if (is_pipe_name(name)) return fmt::format("{} (in {})", name, fs::current_path().string());
  return fs::absolute(name).lexically_normal().string();
}

// What tells a changed file from the one that was counted; nothing is known about commands and addresses.
FileStamp stamp_of_stream(const std::string& name) {
  return is_remote_name(name) ? FileStamp() : stamp_of(name);
}

struct Counted {
  FileStamp stamp;
  std::int64_t samples = 0;
};
using Counts = std::map<std::string, Counted>;

Counts read_counts(const fs::path& folder) {
  Counts counts;
  const fs::path path = stream_sizes_file(folder);
  std::error_code error;
  if (folder.empty() || !fs::exists(path, error)) return counts;
  try {
    const Json json = Json::parse(read_file(path));
    for (const auto& [name, entry] : json.items()) {
      counts[name] = {{entry.at("bytes").get<std::uint64_t>(), entry.at("modified_ns").get<std::int64_t>()},
                      entry.at("samples").get<std::int64_t>()};
    }
  } catch (const std::exception& error_) {
    log_warning("data", "'{}' is not used, so that streams are counted anew: {}", path.string(),
                error_.what());
    counts.clear();
  }
  return counts;
}

// Adds to what the folder keeps, which another process may have written by now.
void keep_counts(const fs::path& folder, const Counts& found) {
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
    const std::string text = json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
    write_file_atomically(stream_sizes_file(folder), text);
  } catch (const UserError& error) {
    log_warning("data", "the sizes of streams are not kept: {}", error.what());
  }
}

// Reads a file beside a stream; nothing where there is none. A server that does not answer would not do so
// for the stream either.
std::optional<std::string> read_beside(const std::string& name, const StreamConfig& config) {
  if (!is_remote_name(name)) return read_local_text(name);
  try {
    return read_text_stream(name, config, {});
  } catch (const StreamError& error) {
    if (error.kind() == StreamError::Kind::lasting) return std::nullopt;
    throw StreamError(StreamError::Kind::passing, fmt::format("'{}': {}", name, error.what()));
  }
}

struct StreamSize {
  std::int64_t samples = 0;
  bool is_certain = true;  ///< worth keeping
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
  } catch (const StreamError& error) {  // packed data that is cut short or damaged
    if (size.samples == 0) throw;
    ++size.samples;  // the one that is lost there is missed, as it is in a tar file that is cut short
    damage = error.what();
  }
  if (damage.empty() && !scanner.has_end_mark()) damage = "it has no end mark";
  if (damage.empty()) return size;
  log_warning("data", "'{}' may be cut short: {}; its {} samples are used and counted anew at the next start",
              name, damage, with_thousands(size.samples));
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

/// Finds sizes on several threads, and keeps those that it has found every now and then: counting all may
/// take hours.
class SizeFinder {
 public:
  SizeFinder(const StreamConfig& config, const IndexOptions& options)
      : config_(config),
        options_(options),
        stated_([&config](const std::string& name) { return read_beside(name, config); }),
        known_(read_counts(options.folder)) {}

  std::vector<std::int64_t> find(const std::vector<std::string>& names) {
    std::vector<std::int64_t> sizes(names.size());
    std::vector<std::size_t> unknown;
    for (std::size_t i = 0; i < names.size(); ++i) {
      const auto known = known_.find(kept_name(names[i]));
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
      keep_counts(options_.folder, found_);
      throw;
    }
    keep_counts(options_.folder, found_);
    return sizes;
  }

 private:
  std::int64_t find_one(const std::string& name) {
    constexpr double kKeepSeconds = 30;
    const FileStamp stamp = stamp_of_stream(name);
    const StreamSize size = find_size(name, config_, stated_);
    const std::lock_guard lock(mutex_);
    if (size.is_certain) found_[kept_name(name)] = {stamp, size.samples};
    if (since_kept_.seconds() > kKeepSeconds) {
      keep_counts(options_.folder, found_);
      since_kept_.restart();
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
  std::mutex mutex_;  // guards what follows
  Counts found_;
  std::int64_t num_done_ = 0;
  Timer since_kept_;
};

}  // namespace

fs::path stream_sizes_file(const fs::path& folder) { return folder / "streams.json"; }

std::vector<std::int64_t> find_stream_sizes(const std::vector<std::string>& names, const StreamConfig& config,
                                            const IndexOptions& options) {
  return SizeFinder(config, options).find(names);
}

}  // namespace cloob
