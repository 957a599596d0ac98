#pragma once

#include <array>
#include <csignal>

namespace cloob {

inline constexpr std::array<int, 3> kStopSignals = {SIGINT, SIGTERM, SIGHUP};

/// Turns SIGINT, SIGTERM and SIGHUP (terminal closed) into a request to stop at the next step boundary, for
/// the lifetime of the object.
///
/// A second signal terminates the process immediately. SIGPIPE is ignored meanwhile: after Ctrl-C on
/// `cloob train ... | tee log`, the log is gone before the run has saved. Only one instance may exist at a time.
class StopSignal {
 public:
  StopSignal();
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
