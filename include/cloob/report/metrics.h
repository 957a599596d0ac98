// The files metrics.jsonl and evaluations.jsonl of a run: one JSON object per line, ordered by step.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cloob/report/named_numbers.h"

namespace cloob {

/// Measurements after one step. docs/metrics.md lists the names.
struct MetricsRecord {
  std::int64_t step = 0;          ///< Optimizer steps completed.
  double epoch = 0;               ///< Passes over the data, including the fraction of the current one.
  std::int64_t samples_seen = 0;  ///< Pairs taken from the data so far.
  double time_s = 0;              ///< Seconds of work so far, without the pause between a stop and a resume.
  NamedNumbers metrics;           ///< For example {"train/loss", 2.3}.
  std::vector<std::pair<std::string, std::string>> words = {};  ///< For example {"data/bound_by", "compute"}.
};

/// RUN_DIR/metrics.jsonl: all metrics of a run by step.
std::filesystem::path metrics_path(const std::filesystem::path& run_dir);
/// RUN_DIR/evaluations.jsonl: one line per evaluation and step, with the word "evaluation" and the number
/// "seconds".
std::filesystem::path evaluations_path(const std::filesystem::path& run_dir);

/// Appends records to one of these files. Each line is passed to the system immediately and in one write, so
/// a killed run loses nothing. Not thread-safe. Throws UserError (for example when the disk is full).
class MetricsWriter {
 public:
  explicit MetricsWriter(const std::filesystem::path& file);
  ~MetricsWriter();
  MetricsWriter(const MetricsWriter&) = delete;
  MetricsWriter& operator=(const MetricsWriter&) = delete;

  /// Steps must not decrease from one record to the next.
  void write(const MetricsRecord& record);

 private:
  std::unique_ptr<class AppendFile> file_;
};

/// Where a run resumes.
struct ResumePoint {
  std::int64_t step = 0;
  bool is_evaluated = true;  ///< otherwise the resumed run repeats the evaluations of this step
};

/// Truncates the file for a resumed run: atomically drops everything from the first line that the run will write
/// again, or that is incomplete or unreadable. Returns the number of lines dropped, 0 without a file.
std::int64_t drop_metrics_after(const std::filesystem::path& file, const ResumePoint& resumed);

/// All records of a file; null becomes NaN. A last line without a newline is still being written and is
/// skipped. Throws UserError that names file and line when a line is not a valid record.
std::vector<MetricsRecord> read_metrics(const std::filesystem::path& file);

/// The evaluations of a run, with their names in metrics.jsonl such as val/cifar10_acc1. `records` are those of
/// metrics.jsonl, which also has the evaluations of runs without an evaluations.jsonl. Throws UserError.
std::vector<MetricsRecord> read_evaluations(const std::filesystem::path& run_dir,
                                            const std::vector<MetricsRecord>& records);

}  // namespace cloob
