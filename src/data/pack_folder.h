// The folder that samples are packed into: its plan, and what is known of every shard.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "cloob/data/bad_samples.h"

namespace cloob {

/// What became of the samples of one shard.
struct ShardReport {
  std::int64_t count = 0;      ///< samples of the source that it stands for
  std::int64_t successes = 0;  ///< samples that it has
  BadSampleCounts bad;
};

/// Adds the counts of `more`, which came after those of `counts`.
void add_counts(BadSampleCounts& counts, const BadSampleCounts& more);

/// `NNNNN.tar` and `NNNNN_stats.json`, which is what img2dataset calls them, and `pack.json`: the plan, so
/// that a packing that was stopped is gone on with by the same plan only.
class PackFolder {
 public:
  /// Makes the folder, or takes up one that has been begun. `plan` is a JSON object of everything that the
  /// bytes depend on. Throws UserError.
  PackFolder(std::filesystem::path path, const nlohmann::ordered_json& plan, bool resume);

  const std::filesystem::path& path() const { return path_; }
  /// "00012.tar"
  static std::string shard_name(std::int64_t shard);
  std::filesystem::path shard_path(std::int64_t shard) const { return path_ / shard_name(shard); }

  /// The report on a shard that is finished; nothing otherwise.
  std::optional<ShardReport> find_report(std::int64_t shard) const;
  /// To be called once the shard is in place: from then on it counts as finished.
  void write_report(std::int64_t shard, const ShardReport& report) const;
  /// Writes `sizes.json`, as webdataset has it.
  void write_sizes(const std::map<std::string, std::int64_t>& size_of_shard) const;

 private:
  std::filesystem::path report_path(std::int64_t shard) const;
  void take_up(const nlohmann::ordered_json& plan) const;

  std::filesystem::path path_;
};

}  // namespace cloob
