#include "cloob/train/stop_signal.h"

#include <csignal>

namespace cloob {
namespace {

volatile std::sig_atomic_t received_signal = 0;

extern "C" void remember_signal(int signal_number) {
  received_signal = signal_number;
  std::signal(signal_number, SIG_DFL);
}

}  // namespace

StopSignal::StopSignal() {
  received_signal = 0;
  std::signal(SIGINT, remember_signal);
  std::signal(SIGTERM, remember_signal);
}

StopSignal::~StopSignal() {
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
}

int StopSignal::received() { return received_signal; }

}  // namespace cloob
