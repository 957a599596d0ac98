// Programs that this one starts and looks after: how they are started, signalled, waited for and ended.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace cloob {

/// While it exists, SIGCHLD and the signals that ask a program to stop (SIGINT, SIGTERM, SIGHUP, SIGUSR1) are taken by `next`
/// instead of interrupting the program, except for those that are ignored. To be made before the program has other threads, which would still be interrupted.
class SignalQueue {
 public:
  SignalQueue();
  ~SignalQueue();
  SignalQueue(const SignalQueue&) = delete;
  SignalQueue& operator=(const SignalQueue&) = delete;

  /// The next signal, or 0 after a while without one.
  int next(std::chrono::milliseconds wait = std::chrono::milliseconds(200)) const;
  const sigset_t& mask_before() const { return before_; }

 private:
  sigset_t all_{}, before_{};
};

struct ChildCommand {
  std::string name;                ///< in messages: "rank 3"
  std::vector<std::string> words;  ///< program and arguments
  /// Variables that differ from those of this program; one without a value is removed.
  std::map<std::string, std::optional<std::string>> environment = {};
  /// Its output and errors are appended to this file, and its input is empty; without one it shares those of this program.
  std::filesystem::path output = {};
};

/// Child processes by number. Those that are left are killed at the end.
class ChildProcesses {
 public:
  struct End {
    std::int64_t number = 0;
    int status = 0;  ///< as a shell reports it: 128 + n if signal n ended it
  };

  explicit ChildProcesses(const SignalQueue& signals) : signals_(signals) {}
  ~ChildProcesses() { send(SIGKILL); }
  ChildProcesses(const ChildProcesses&) = delete;
  ChildProcesses& operator=(const ChildProcesses&) = delete;

  /// Starts one in a process group of its own, so that Ctrl-C reaches it once, by way of this program. It gets SIGTERM when
  /// this program is gone. Throws UserError.
  void start(std::int64_t number, const ChildCommand& command);
  /// Those that have ended since the last call. Takes note of those that were stopped or continued, too.
  std::vector<End> collect();

  std::ptrdiff_t num_running() const { return std::ssize(running_); }  ///< with those that are stopped
  std::ptrdiff_t num_stopped() const { return std::ssize(stopped_); }
  void send(int signal_number) const;
  void kill_stopped() const;

 private:
  const SignalQueue& signals_;
  std::map<pid_t, std::int64_t> running_;
  std::set<pid_t> stopped_;
};

/// "ended because of signal 9" or "ended with status 1", for a status as in ChildProcesses::End. A program that stopped in an
/// orderly way because of a signal has the same status as one that it killed.
std::string describe_exit_status(int status);

}  // namespace cloob
