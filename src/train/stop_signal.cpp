#include "cloob/train/stop_signal.h"

#include <csignal>

namespace cloob {
namespace {

volatile std::sig_atomic_t received_signal = 0;

// The next signal, of either kind, ends the process.
extern "C" void remember_signal(int signal_number) {
  received_signal = signal_number;
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
}

}  // namespace

StopSignal::StopSignal() {
  received_signal = 0;
  previous_interrupt_ = std::signal(SIGINT, remember_signal);
  previous_terminate_ = std::signal(SIGTERM, remember_signal);
}

StopSignal::~StopSignal() {
  std::signal(SIGINT, previous_interrupt_);
  std::signal(SIGTERM, previous_terminate_);
}

int StopSignal::received() { return received_signal; }

}  // namespace cloob
