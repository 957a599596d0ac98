// The folder of one run: what lies where, and who may write into it.
#pragma once

#include <filesystem>
#include <string>

namespace cloob {

/// What to do with a folder that already holds a run.
enum class ExistingRun { refuse, resume, overwrite };

/// `config.yaml`, `metrics.jsonl`, `tensorboard/`, `first_batch.png` and `checkpoints/` of one run.
///
/// Holds a lock on the folder while it lives, so that two processes never write into one run.
class RunDirectory {
 public:
  /// Creates the folder, or opens it as `existing` says. Throws UserError when the folder holds a run and `existing` is
  /// `refuse`, or when another process is writing there. `overwrite` removes what the old run wrote, nothing else.
  RunDirectory(std::filesystem::path path, ExistingRun existing);
  ~RunDirectory();
  RunDirectory(const RunDirectory&) = delete;
  RunDirectory& operator=(const RunDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path config_file() const { return path_ / "config.yaml"; }
  std::filesystem::path metrics_file() const { return path_ / "metrics.jsonl"; }
  std::filesystem::path tensorboard() const { return path_ / "tensorboard"; }
  std::filesystem::path contact_sheet() const { return path_ / "first_batch.png"; }
  std::filesystem::path checkpoints() const { return path_ / "checkpoints"; }

  /// Whether a folder holds anything that a run wrote.
  static bool holds_a_run(const std::filesystem::path& path);

 private:
  std::filesystem::path path_;
  int lock_ = -1;
};

}  // namespace cloob
