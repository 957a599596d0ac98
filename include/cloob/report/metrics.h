// The file metrics.jsonl of a run: one JSON object a line, in the order of the steps.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cloob/report/named_numbers.h"

namespace cloob {

/// What is known after one step. docs/metrics.md lists the names.
struct MetricsRecord {
  std::int64_t step = 0;          ///< Optimizer steps done.
  double epoch = 0;               ///< Passes over the data done, with the fraction of the one in progress.
  std::int64_t samples_seen = 0;  ///< Pairs taken from the data so far.
  double time_s = 0;     ///< Seconds of work so far; the pause between a stop and a resume does not count.
  NamedNumbers metrics;  ///< For example {"train/loss", 2.3}.
  std::vector<std::pair<std::string, std::string>> words = {};  ///< For example {"data/bound_by", "compute"}.
};

/// RUN_DIR/metrics.jsonl.
std::filesystem::path metrics_path(const std::filesystem::path& run_dir);

/// Appends records to RUN_DIR/metrics.jsonl. Each line is handed to the system in one piece as soon as it is
/// written, so a killed run loses nothing. Not thread-safe. Throws UserError (disk full and the like).
class MetricsWriter {
 public:
  explicit MetricsWriter(const std::filesystem::path& run_dir);
  ~MetricsWriter();
  MetricsWriter(const MetricsWriter&) = delete;
  MetricsWriter& operator=(const MetricsWriter&) = delete;

  /// Steps must not decrease from one record to the next.
  void write(const MetricsRecord& record);

 private:
  std::unique_ptr<class AppendFile> file_;
};

/// Makes the file end where a run resumed after `step` continues it: drops, atomically, everything from the
/// first line that is beyond `step`, half written or unreadable. Returns the number of lines dropped; without
/// a file, 0.
std::int64_t drop_metrics_after(const std::filesystem::path& run_dir, std::int64_t step);

/// All records of RUN_DIR/metrics.jsonl; null becomes NaN. A last line without its newline is a line in the
/// making and is left out. Throws UserError that names file and line where a line is not such a record.
std::vector<MetricsRecord> read_metrics(const std::filesystem::path& run_dir);

}  // namespace cloob
