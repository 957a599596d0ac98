// The folder of one run: its layout, and a lock on it.
#pragma once

#include <filesystem>

namespace cloob {

/// The files `config.yaml`, `metrics.jsonl`, `evaluations.jsonl`, `tensorboard/`, `data_report.json`,
/// `first_batch.png`, `episodes/`, `log.txt`, `trace.json` and `checkpoints/` of one run.
///
/// Locks the folder for the lifetime of the object, so that two processes never write to the same run.
class RunDirectory {
 public:
  /// Creates the folder if it does not exist; removes nothing. Throws UserError if another process is
  /// training in it.
  explicit RunDirectory(std::filesystem::path path);
  /// Removes the folder again if it was created and nothing was written to it.
  ~RunDirectory();
  RunDirectory(const RunDirectory&) = delete;
  RunDirectory& operator=(const RunDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path config_file() const { return path_ / "config.yaml"; }
  std::filesystem::path metrics_file() const { return path_ / "metrics.jsonl"; }
  std::filesystem::path evaluations_file() const { return path_ / "evaluations.jsonl"; }
  std::filesystem::path tensorboard() const { return path_ / "tensorboard"; }
  std::filesystem::path data_report() const { return path_ / "data_report.json"; }
  std::filesystem::path contact_sheet() const { return path_ / "first_batch.png"; }
  std::filesystem::path log() const { return path_ / "log.txt"; }
  std::filesystem::path trace() const { return path_ / "trace.json"; }
  std::filesystem::path checkpoints() const { return path_ / "checkpoints"; }

  /// Throws UserError if the folder was removed, renamed or replaced since this object was created, so that nothing that
  /// is written there would be found.
  void require_present() const;
  /// Whether the folder contains anything written by a run.
  bool contains_run() const;
  /// Removes measurements: `metrics.jsonl`, `evaluations.jsonl`, `tensorboard/`, `data_report.json`, `episodes/` and
  /// `trace.json`.
  void remove_measurements() const;
  /// Removes everything written by a run, including checkpoints.
  void remove_run() const;

 private:
  bool is_present() const;
  std::filesystem::path lock_file() const { return path_ / "run.lock"; }

  std::filesystem::path path_;
  bool is_new_ = false;
  int lock_ = -1;
};

}  // namespace cloob
