// The folder that samples are packed into: its plan, and a report on every shard.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "cloob/data/bad_samples.h"

namespace cloob {

/// The outcome of packing one shard.
struct ShardReport {
  std::int64_t count = 0;      ///< samples of the source assigned to it
  std::int64_t successes = 0;  ///< samples that it contains
  BadSampleCounts bad;
};

/// Adds the counts of `more`, which are later than those of `counts`.
void add_counts(BadSampleCounts& counts, const BadSampleCounts& more);

/// `NNNNN.tar` and `NNNNN_stats.json`, named as by img2dataset, and `pack.json`: the plan, so that an
/// interrupted packing can be continued only with the same plan.
class PackFolder {
 public:
  /// Creates the folder, or resumes one. `plan` is a JSON object of everything that the bytes depend on.
  /// Throws UserError.
  PackFolder(std::filesystem::path path, const nlohmann::ordered_json& plan, bool resume);

  const std::filesystem::path& path() const { return path_; }
  /// "00012.tar"
  /// Removes the folder again if no shard is finished, after an error.
  void remove_if_useless() const;
  static std::string shard_name(std::int64_t shard);
  std::filesystem::path shard_path(std::int64_t shard) const { return path_ / shard_name(shard); }

  /// The report on a finished shard; nullopt otherwise.
  std::optional<ShardReport> find_report(std::int64_t shard) const;
  /// To be called when the shard is in place; from then on it counts as finished.
  void write_report(std::int64_t shard, const ShardReport& report) const;
  /// Writes `sizes.json` in the format of webdataset.
  void write_sizes(const std::map<std::string, std::int64_t>& size_of_shard) const;

 private:
  std::filesystem::path report_path(std::int64_t shard) const;
  void require_same_plan(const nlohmann::ordered_json& plan) const;

  std::filesystem::path path_;
};

}  // namespace cloob
