// `cloob launch`: starts the ranks of one machine and looks after them.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace cloob {

/// A port of this machine that nobody listens on. Throws UserError.
std::uint16_t free_port();

struct LaunchOptions {
  std::int64_t num_ranks = 1;
  std::int64_t max_restarts = 0;
  std::vector<std::string> command;  ///< program and arguments
  /// After the first rank has ended with an error, until the others get SIGTERM. Five seconds later those that are stopped are
  /// killed, because they cannot end by themselves; one that runs may be saving, and is killed after `time_to_save`.
  std::chrono::seconds patience{10};
  std::chrono::seconds time_to_save{1800};
};

/// Runs the command once per rank, with the environment that torchrun would set, and waits for all. Forwards SIGINT, SIGTERM,
/// SIGHUP and SIGUSR1 to every rank once; a second SIGINT kills them. If a rank fails, all are ended and started again, at most
/// `max_restarts` times, with the variable CLOOB_RESTARTS, upon which `cloob train` continues from the newest checkpoint.
///
/// Returns the exit status of the rank that failed by itself, 128 + n if signal n killed it, and 0 if all have finished.
int launch(const LaunchOptions& options);

}  // namespace cloob
