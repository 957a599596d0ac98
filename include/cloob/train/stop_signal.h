#pragma once

#include <array>
#include <csignal>

namespace cloob {

inline constexpr std::array<int, 3> kStopSignals = {SIGINT, SIGTERM, SIGHUP};

/// Turns SIGINT, SIGTERM and SIGHUP (a lost terminal) into a request to stop at the next step boundary, for
/// as long as it lives.
///
/// A second signal ends the process at once, as if it had never been caught. One instance at a time.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  /// The signal that asked for a stop, or 0.
  static int received();

 private:
  std::array<void (*)(int), kStopSignals.size()> previous_;
};

}  // namespace cloob
