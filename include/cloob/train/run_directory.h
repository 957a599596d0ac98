// The folder of one run: what lies where, and who may write into it.
#pragma once

#include <filesystem>

namespace cloob {

/// `config.yaml`, `metrics.jsonl`, `tensorboard/`, `data_report.json`, `first_batch.png`, `trace.json` and
/// `checkpoints/` of one run.
///
/// Holds a lock on the folder while it lives, so that two processes never write into one run.
class RunDirectory {
 public:
  /// Creates the folder where there is none, and removes nothing. Throws UserError when another process is
  /// training there.
  explicit RunDirectory(std::filesystem::path path);
  ~RunDirectory();
  RunDirectory(const RunDirectory&) = delete;
  RunDirectory& operator=(const RunDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path config_file() const { return path_ / "config.yaml"; }
  std::filesystem::path metrics_file() const { return path_ / "metrics.jsonl"; }
  std::filesystem::path tensorboard() const { return path_ / "tensorboard"; }
  std::filesystem::path data_report() const { return path_ / "data_report.json"; }
  std::filesystem::path contact_sheet() const { return path_ / "first_batch.png"; }
  std::filesystem::path trace() const { return path_ / "trace.json"; }
  std::filesystem::path checkpoints() const { return path_ / "checkpoints"; }

  /// Whether the folder holds anything that a run wrote.
  bool holds_a_run() const;
  /// Removes what was measured: `metrics.jsonl`, `tensorboard/`, `data_report.json` and `trace.json`.
  void remove_measurements() const;
  /// Removes all that a run wrote, checkpoints too.
  void remove_run() const;

 private:
  std::filesystem::path path_;
  int lock_ = -1;
};

}  // namespace cloob
