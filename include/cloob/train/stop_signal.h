#pragma once

namespace cloob {

/// Turns SIGINT and SIGTERM into a request to stop at the next step boundary, for as long as it lives.
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
  void (*previous_interrupt_)(int);
  void (*previous_terminate_)(int);
};

}  // namespace cloob
