#pragma once

#include <array>
#include <chrono>
#include <csignal>

namespace cloob {

inline constexpr std::array<int, 4> kStopSignals = {SIGINT, SIGTERM, SIGHUP, SIGUSR1};

/// Turns SIGINT, SIGTERM, SIGHUP (terminal closed) and SIGUSR1 (Slurm's warning before the end of a job) into a request to stop
/// at the next step boundary, for the lifetime of the object.
///
/// Further signals within `grace` are ignored, because launchers and schedulers send several; a later one, or a second SIGINT,
/// terminates the process immediately. SIGPIPE is ignored meanwhile: after Ctrl-C on `cloob train ... | tee log`, the log is gone
/// before the run has saved. Only one instance may exist at a time.
class StopSignal {
 public:
  explicit StopSignal(std::chrono::seconds grace = std::chrono::seconds(0));
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  /// The signal that requested the stop, or 0.
  static int received();

 private:
  std::array<void (*)(int), kStopSignals.size()> previous_;
  void (*previous_pipe_)(int);
};

}  // namespace cloob
