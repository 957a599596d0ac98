#include "data/stream/pipe_stream.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <thread>
#include <utility>

#include "cloob/base/files.h"
#include "cloob/base/text.h"
#include "cloob/base/timer.h"

extern char** environ;

namespace cloob {
namespace {

[[noreturn]] void throw_transient(const std::string& message) {
  throw StreamError(StreamError::Kind::transient, message);
}

// Both ends of a pipe, not inherited by other commands.
struct Pipe {
  int read_end = -1, write_end = -1;

  Pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) {
      throw_transient(fmt::format("it cannot be started: {}", describe_errno(errno)));
    }
    read_end = ends[0];
    write_end = ends[1];
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() {
    if (read_end >= 0) ::close(read_end);
    if (write_end >= 0) ::close(write_end);
  }
};

// The command gets its own process group, so that all its processes can be killed; signals from the terminal
// do not reach it there. A guard in the group therefore waits for the end of `lifeline`, whose other end this
// process holds: however this process ends, even by kill -9, the group ends with it.
pid_t start(const std::string& command, int output, int lifeline) {
  constexpr int kLifeline = 3;
  constexpr const char* kScript =
      "(read -r line; kill -9 0) <&3 >/dev/null 2>&1 & exec /bin/sh -c \"$1\" 3<&-";
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, lifeline, kLifeline);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  // Training ignores SIGPIPE (StopSignal), but commands expect it to end them.
  sigset_t defaults;
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF);
  std::string shell = "sh", option = "-c", script = kScript, text = command;
  char* arguments[] = {shell.data(), option.data(), script.data(), shell.data(), text.data(), nullptr};
  pid_t process = -1;
  const int error = ::posix_spawn(&process, "/bin/sh", &actions, &attributes, arguments, environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw_transient(fmt::format("it cannot be started: {}", describe_errno(error)));
  return process;
}

}  // namespace

PipeStream::PipeStream(const std::string& command, double timeout_seconds, std::stop_token stop)
    : timeout_seconds_(timeout_seconds), stop_(std::move(stop)) {
  Pipe output, lifeline;
  process_ = start(command, output.write_end, lifeline.read_end);
  descriptor_ = std::exchange(output.read_end, -1);
  lifeline_ = std::exchange(lifeline.write_end, -1);
}

PipeStream::~PipeStream() {
  ::close(descriptor_);
  ::close(lifeline_);
  if (process_ < 0) return;
  ::kill(-process_, SIGKILL);
  ::waitpid(process_, nullptr, 0);
}

void PipeStream::wait_for_bytes() const {
  constexpr int kStopCheckMs = 100;
  const Timer timer;
  for (;;) {
    if (stop_.stop_requested()) throw StreamStopped();
    pollfd waiting{descriptor_, POLLIN, 0};
    if (::poll(&waiting, 1, kStopCheckMs) > 0) return;
    if (timer.seconds() > timeout_seconds_) {
      throw_transient(fmt::format("no data for {} s", shortest(timeout_seconds_)));
    }
  }
}

void PipeStream::check_exit() {
  if (process_ < 0) return;
  int status = 0;
  const Timer timer;
  while (::waitpid(process_, &status, WNOHANG) == 0) {
    if (stop_.stop_requested()) throw StreamStopped();
    if (timer.seconds() > timeout_seconds_) {
      throw_transient(fmt::format("the command has not exited {} s after the end of its output",
                                  shortest(timeout_seconds_)));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  ::kill(-std::exchange(process_, -1), SIGKILL);  // background processes it may have left
  if (WIFSIGNALED(status)) {
    throw_transient(fmt::format("the command was killed by signal {} ({})", WTERMSIG(status),
                                ::strsignal(WTERMSIG(status))));
  }
  if (WEXITSTATUS(status) != 0) {
    throw_transient(fmt::format("the command exited with status {}", WEXITSTATUS(status)));
  }
}

std::size_t PipeStream::read(std::span<std::byte> into) {
  wait_for_bytes();
  const ssize_t count = ::read(descriptor_, into.data(), into.size());
  if (count < 0) throw_transient(fmt::format("reading failed: {}", describe_errno(errno)));
  if (count == 0) check_exit();
  return static_cast<std::size_t>(count);
}

}  // namespace cloob
