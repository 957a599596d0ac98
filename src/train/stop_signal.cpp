#include "cloob/train/stop_signal.h"

#include <csignal>

namespace cloob {
namespace {

volatile std::sig_atomic_t received_signal = 0;

// The next signal, of any kind, terminates the process.
extern "C" void remember_signal(int signal_number) {
  received_signal = signal_number;
  for (const int number : kStopSignals) std::signal(number, SIG_DFL);
}

}  // namespace

StopSignal::StopSignal() : previous_pipe_(std::signal(SIGPIPE, SIG_IGN)) {
  received_signal = 0;
  for (std::size_t i = 0; i < kStopSignals.size(); ++i) {
    previous_[i] = std::signal(kStopSignals[i], remember_signal);
    // Under nohup, SIGHUP stays ignored.
    if (kStopSignals[i] == SIGHUP && previous_[i] == SIG_IGN) std::signal(SIGHUP, SIG_IGN);
  }
}

StopSignal::~StopSignal() {
  std::signal(SIGPIPE, previous_pipe_);
  for (std::size_t i = 0; i < kStopSignals.size(); ++i) std::signal(kStopSignals[i], previous_[i]);
}

int StopSignal::received() { return received_signal; }

}  // namespace cloob
