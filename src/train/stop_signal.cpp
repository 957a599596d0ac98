#include "cloob/train/stop_signal.h"

#include <ctime>

namespace cloob {
namespace {

// Written before the handlers are installed, and by the first signal.
volatile std::sig_atomic_t received_signal = 0;
volatile std::time_t received_at = 0;
volatile std::time_t grace_seconds = 0;

std::time_t seconds_now() {
  std::timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);  // may be called in a handler, as may all below
  return now.tv_sec;
}

extern "C" void remember_signal(int signal_number) {
  const std::time_t now = seconds_now();
  if (received_signal == 0) {
    received_signal = signal_number;
    received_at = now;
    return;
  }
  const bool is_insisting = signal_number == SIGINT && received_signal == SIGINT;
  if (!is_insisting && now - received_at < grace_seconds) return;
  std::signal(signal_number, SIG_DFL);
  std::raise(signal_number);
}

}  // namespace

StopSignal::StopSignal(std::chrono::seconds grace) : previous_pipe_(std::signal(SIGPIPE, SIG_IGN)) {
  received_signal = 0;
  grace_seconds = grace.count();
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
