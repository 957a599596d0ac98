#include "data/stream_sizes.h"

#include <fmt/core.h>

#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/log.h"
#include "cloob/base/text.h"
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

bool is_file_name(const std::string& name) { return !is_http_name(name) && !is_pipe_name(name); }

// What tells a changed file from the one that was counted; nothing is known about commands and addresses.
FileStamp stamp_of_stream(const std::string& name) {
  return is_file_name(name) ? stamp_of(name) : FileStamp();
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
  const Json json = Json::parse(read_file(path), nullptr, /*allow_exceptions=*/false);
  try {
    for (const auto& [name, entry] : json.items()) {
      counts[name] = {{entry.at("bytes").get<std::uint64_t>(), entry.at("modified_ns").get<std::int64_t>()},
                      entry.at("samples").get<std::int64_t>()};
    }
  } catch (const Json::exception&) {
    log_warning("data", "'{}' is damaged, so that streams are counted anew", path.string());
    counts.clear();
  }
  return counts;
}

void keep_counts(const fs::path& folder, const Counts& counts) {
  if (folder.empty()) return;
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

/// Counts that the files beside shards on a server state. Thread-safe.
class ServerCounts {
 public:
  explicit ServerCounts(const StreamConfig& config) : config_(config) {}

  std::optional<std::int64_t> find(const std::string& name) {
    const std::string address = name.substr(0, name.find_first_of("?#"));
    const std::size_t slash = address.rfind('/');
    const std::string folder = address.substr(0, slash + 1), file = address.substr(slash + 1);
    try {
      if (const auto sizes = sizes_of(folder)) {
        if (const auto samples = samples_in_sizes_json(*sizes, file)) return samples;
      }
      const auto stats = read(folder + stats_json_name(file));
      if (stats) return samples_in_stats_json(*stats);
    } catch (const UserError& error) {
      log_warning("data", "what is stated beside '{}' is not used: {}", name, error.what());
    }
    return std::nullopt;
  }

 private:
  std::optional<std::string> sizes_of(const std::string& folder) {
    const std::lock_guard lock(mutex_);
    const auto [found, is_new] = sizes_.emplace(folder, std::nullopt);
    if (is_new) found->second = read(folder + "sizes.json");
    return found->second;
  }

  // Nothing where there is no such file.
  std::optional<std::string> read(const std::string& name) const {
    try {
      return read_text_stream(name, config_, {});
    } catch (const StreamError& error) {
      if (error.kind() == StreamError::Kind::passing) throw;
      return std::nullopt;
    }
  }

  StreamConfig config_;
  std::mutex mutex_;
  std::map<std::string, std::optional<std::string>> sizes_;
};

std::int64_t count_samples(const std::string& name, const StreamConfig& config) {
  const auto stream = open_stream(name, config, {});
  StreamTarInput input(*stream);
  TarScanner scanner(input);
  ShardWalk walk(scanner);
  std::int64_t samples = 0;
  while (walk.next()) ++samples;
  return samples;
}

std::int64_t find_size(const std::string& name, const StreamConfig& config, ServerCounts& server) {
  try {
    if (is_file_name(name)) {
      if (const auto stated = stated_samples(name)) return stated->samples;
    }
    if (is_http_name(name)) {
      if (const auto stated = server.find(name)) return *stated;
    }
    return count_samples(name, config);
  } catch (const StreamError& error) {
    throw_user_error("'{}' cannot be read: {}", name, error.what());
  } catch (const TarError& error) {
    throw_user_error("'{}' is not a tar file: {}", name, error.what());
  }
}

}  // namespace

fs::path stream_sizes_file(const fs::path& folder) { return folder / "streams.json"; }

std::vector<std::int64_t> find_stream_sizes(const std::vector<std::string>& names, const StreamConfig& config,
                                            const IndexOptions& options) {
  Counts counts = read_counts(options.folder);
  std::map<std::string, FileStamp> unknown;
  for (const std::string& name : names) {
    const FileStamp stamp = stamp_of_stream(name);
    const auto found = counts.find(name);
    if (found == counts.end() || found->second.stamp != stamp) unknown[name] = stamp;
  }
  const std::vector<std::pair<std::string, FileStamp>> open(unknown.begin(), unknown.end());
  ServerCounts server(config);
  std::mutex mutex;
  std::int64_t num_done = 0;
  const auto total = static_cast<std::int64_t>(open.size());
  const auto count_all = [&] {
    parallel_for(total, options.threads, [&](std::int64_t i) {
      const auto& [name, stamp] = open[static_cast<std::size_t>(i)];
      const std::int64_t samples = find_size(name, config, server);
      const std::lock_guard lock(mutex);
      counts[name] = {stamp, samples};
      ++num_done;
      if (options.progress) options.progress(num_done, total);
    });
  };
  try {
    count_all();
  } catch (const UserError&) {  // what is known by now took its time
    keep_counts(options.folder, counts);
    throw;
  }
  if (total > 0) keep_counts(options.folder, counts);
  std::vector<std::int64_t> sizes;
  for (const std::string& name : names) sizes.push_back(counts.at(name).samples);
  return sizes;
}

}  // namespace cloob
