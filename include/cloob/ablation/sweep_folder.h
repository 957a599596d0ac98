// The folder of a sweep: its files, a lock on it, and what its runs have reached.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "cloob/report/named_numbers.h"

namespace cloob {

enum class RunStatus { waiting, stopped, failed, done };
std::string_view status_name(RunStatus status);

/// How far a run has come, from the files in its folder.
struct RunResult {
  RunStatus status = RunStatus::waiting;
  std::string failure = {};  ///< of a failed run: one line
  std::int64_t steps = 0;
  /// Pairs per second over all steps, without evaluations.
  std::optional<double> samples_per_second = {};
  /// Of the last evaluation, by name, without those that are durations.
  NamedNumbers metrics = {};
};

/// Whether a metric is a time or a speed, which differs from run to run.
bool is_duration(const std::string& metric);

class SweepFolder {
 public:
  /// How the folder is locked: by the process that works through the whole sweep, by one of several that take a run each, or,
  /// to read it, not at all.
  enum class Use { alone, one_run, reading };

  /// Creates the folder, except to read it. Throws UserError if another process works in it.
  SweepFolder(std::filesystem::path path, Use use);
  ~SweepFolder();
  SweepFolder(const SweepFolder&) = delete;
  SweepFolder& operator=(const SweepFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path plan_file() const { return path_ / "plan.json"; }
  std::filesystem::path copy_of_sweep() const { return path_ / "sweep.yaml"; }
  std::filesystem::path choices_file() const { return path_ / "choices.json"; }
  std::filesystem::path results_file() const { return path_ / "results.csv"; }
  std::filesystem::path run_folder(const std::string& run) const { return path_ / "runs" / run; }
  std::filesystem::path run_file(const std::string& run, const char* suffix) const {
    return path_ / "runs" / (run + suffix);
  }
  std::filesystem::path recipe_of(const std::string& run) const { return run_file(run, ".yaml"); }
  std::filesystem::path log_of(const std::string& run) const { return run_file(run, ".log"); }

  RunResult result_of(const std::string& run) const;
  void mark_done(const std::string& run) const;
  void mark_failed(const std::string& run, const std::string& failure) const;
  /// Before it is started again.
  void clear_mark(const std::string& run) const;
  /// Whether a process trains in the folder of the run: one that outlived the sweep that had started it.
  bool is_in_use(const std::string& run) const;

  /// Held by the one process that trains a run, from before it starts it until it has noted its end.
  class RunLock {
   public:
    RunLock(const SweepFolder& folder, const std::string& run);
    ~RunLock();
    RunLock(const RunLock&) = delete;
    RunLock& operator=(const RunLock&) = delete;
    bool is_held() const { return is_held_; }  ///< false: by another process

   private:
    int lock_ = -1;
    bool is_held_ = false;
  };

  /// Held while files of all runs are written.
  class WriteLock {
   public:
    explicit WriteLock(const SweepFolder& folder);
    ~WriteLock();
    WriteLock(const WriteLock&) = delete;
    WriteLock& operator=(const WriteLock&) = delete;

   private:
    int lock_ = -1;
  };

 private:
  std::filesystem::path mark_of(const std::string& run) const { return run_file(run, ".status"); }

  std::filesystem::path path_;
  int lock_ = -1;
};

}  // namespace cloob
