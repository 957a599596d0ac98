#include "cloob/distributed/launcher.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <map>
#include <optional>
#include <set>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/log.h"
#include "cloob/base/rank_failure.h"

namespace cloob {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::array kForwarded = {SIGINT, SIGTERM, SIGHUP, SIGUSR1};
constexpr std::chrono::seconds kUntilStoppedAreKilled{5};  // after SIGTERM

// While it exists, SIGCHLD and the forwarded signals are taken by `next` instead of interrupting the program.
class SignalQueue {
 public:
  SignalQueue() {
    ::sigemptyset(&all_);
    ::sigaddset(&all_, SIGCHLD);
    for (const int number : kForwarded) ::sigaddset(&all_, number);
    ::sigprocmask(SIG_BLOCK, &all_, &before_);
  }
  ~SignalQueue() { ::sigprocmask(SIG_SETMASK, &before_, nullptr); }
  SignalQueue(const SignalQueue&) = delete;
  SignalQueue& operator=(const SignalQueue&) = delete;

  // The next signal, or 0 after a while without one.
  int next() const {
    const timespec wait{.tv_sec = 0, .tv_nsec = 200'000'000};
    return std::max(0, ::sigtimedwait(&all_, nullptr, &wait));
  }
  const sigset_t& mask_before() const { return before_; }

 private:
  sigset_t all_{}, before_{};
};

struct Attempt {
  std::int64_t restarts = 0;
  std::uint16_t port = 0;
};

void set_environment(const LaunchOptions& options, const Attempt& attempt, std::int64_t rank) {
  const std::map<std::string, std::string> variables = {
      {"RANK", std::to_string(rank)},
      {"LOCAL_RANK", std::to_string(rank)},
      {"WORLD_SIZE", std::to_string(options.num_ranks)},
      {"LOCAL_WORLD_SIZE", std::to_string(options.num_ranks)},
      {"MASTER_ADDR", "127.0.0.1"},
      {"MASTER_PORT", std::to_string(attempt.port)},
      {"CLOOB_RESTARTS", std::to_string(attempt.restarts)}};
  for (const auto& [name, value] : variables) ::setenv(name.c_str(), value.c_str(), 1);
  ::unsetenv("TORCHELASTIC_USE_AGENT_STORE");
}

// Starts one rank in a process group of its own, so that Ctrl-C reaches it once, by way of the launcher. It ends when the
// launcher is gone.
pid_t start_rank(const LaunchOptions& options, const Attempt& attempt, std::int64_t rank,
                 const SignalQueue& signals) {
  std::vector<char*> arguments;
  for (const std::string& word : options.command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const pid_t launcher = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) throw_user_error("rank {} cannot be started: {}", rank, describe_errno(errno));
  if (child > 0) return child;
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != launcher) std::_Exit(1);
  ::sigprocmask(SIG_SETMASK, &signals.mask_before(), nullptr);
  set_environment(options, attempt, rank);
  ::execvp(arguments[0], arguments.data());
  log_error("launch", "'{}' cannot be run: {}", options.command[0], describe_errno(errno));
  std::_Exit(127);
}

int exit_status(int wait_status) {
  return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

/// The ranks of one attempt.
class RankProcesses {
 public:
  RankProcesses(const LaunchOptions& options, const Attempt& attempt, const SignalQueue& signals)
      : num_ranks_(options.num_ranks) {
    for (std::int64_t rank = 0; rank < options.num_ranks; ++rank)
      running_[start_rank(options, attempt, rank, signals)] = rank;
  }
  ~RankProcesses() { send(SIGKILL); }
  RankProcesses(const RankProcesses&) = delete;
  RankProcesses& operator=(const RankProcesses&) = delete;

  bool are_running() const { return !running_.empty(); }
  /// Whether the others have ended, and those that are left cannot.
  bool only_stopped_are_left() const {
    return std::ssize(running_) < num_ranks_ && !stopped_.empty() && stopped_.size() == running_.size();
  }
  void send(int signal_number) const {
    for (const auto& [process, rank] : running_) ::kill(process, signal_number);
  }
  void kill_rest(int signal_number) {
    was_killed_ = true;
    send(signal_number);
  }
  void kill_stopped() {
    if (stopped_.empty()) return;
    was_killed_ = true;
    for (const pid_t process : stopped_) ::kill(process, SIGKILL);
  }
  // Takes note of the ranks that have ended.
  void collect() {
    int status = 0;
    const auto next = [&] { return ::waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED); };
    for (pid_t process = next(); process > 0; process = next()) {
      const auto found = running_.find(process);
      if (found == running_.end()) continue;
      if (WIFSTOPPED(status)) stopped_.insert(process);
      if (WIFSTOPPED(status)) continue;
      stopped_.erase(process);
      if (WIFCONTINUED(status)) continue;
      note_end(found->second, exit_status(status));
      running_.erase(found);
    }
  }
  // Of the rank that failed by itself rather than because of another one; 0 if none failed.
  int status() const { return status_; }
  std::int64_t failed_rank() const { return failed_rank_; }

 private:
  void note_end(std::int64_t rank, int status) {
    const bool is_cause =
        status_ == 0 || (status_ == kExitRankFailure && status != kExitRankFailure && !was_killed_);
    if (status == 0 || !is_cause) return;
    status_ = status;
    failed_rank_ = rank;
  }

  std::int64_t num_ranks_;
  std::map<pid_t, std::int64_t> running_;
  std::set<pid_t> stopped_;
  int status_ = 0;
  std::int64_t failed_rank_ = -1;
  bool was_killed_ = false;  // those that end now do so because of the launcher
};

struct AttemptResult {
  int status = 0;
  std::int64_t failed_rank = -1;
  int stop_signal = 0;
};

// Waits until all ranks have ended, and ends those that do not do it themselves.
AttemptResult wait_for(RankProcesses& ranks, const LaunchOptions& options, const SignalQueue& signals) {
  int stop_signal = 0;
  std::optional<Clock::time_point> first_failure;
  bool was_asked = false;
  for (ranks.collect(); ranks.are_running(); ranks.collect()) {
    const bool must_end = ranks.status() != 0 || ranks.only_stopped_are_left();
    if (must_end && !first_failure) first_failure = Clock::now();
    if (!must_end) first_failure.reset();
    const auto waited = first_failure ? Clock::now() - *first_failure : Clock::duration::zero();
    if (waited > options.patience + options.time_to_save) {
      ranks.kill_rest(SIGKILL);
    } else if (waited > options.patience + kUntilStoppedAreKilled) {
      ranks.kill_stopped();
    } else if (waited > options.patience && !was_asked) {
      was_asked = true;
      ranks.kill_rest(SIGTERM);
    }
    const int number = signals.next();
    if (number == 0 || number == SIGCHLD) continue;
    if (stop_signal == 0) {
      ranks.send(number);
    } else if (number == SIGINT && stop_signal == SIGINT) {
      ranks.kill_rest(SIGKILL);
    }
    if (stop_signal == 0) stop_signal = number;
  }
  return {ranks.status(), ranks.failed_rank(), stop_signal};
}

// A rank that stopped in an orderly way has the same status as one that a signal killed.
std::string describe_status(int status) {
  constexpr int kSignals = 128;
  if (status > kSignals) return fmt::format("ended because of signal {}", status - kSignals);
  return fmt::format("ended with status {}", status);
}

}  // namespace

std::uint16_t free_port() {
  const int handle = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  const bool is_found = handle >= 0 &&
                        ::bind(handle, reinterpret_cast<const sockaddr*>(&address), size) == 0 &&
                        ::getsockname(handle, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  if (handle >= 0) ::close(handle);
  if (!is_found) throw_user_error("there is no free port on this machine");
  return ntohs(address.sin_port);
}

int launch(const LaunchOptions& options) {
  const SignalQueue signals;
  for (Attempt attempt{.restarts = 0, .port = free_port()};; ++attempt.restarts, attempt.port = free_port()) {
    RankProcesses ranks(options, attempt, signals);
    const AttemptResult result = wait_for(ranks, options, signals);
    if (result.status == 0) return 0;
    const bool is_over = result.stop_signal != 0 || attempt.restarts == options.max_restarts;
    if (result.stop_signal == 0 && options.num_ranks > 1)
      log_warning(
          "launch", "rank {} {}{}", result.failed_rank, describe_status(result.status),
          is_over ? "" : fmt::format(": restart {} of {}", attempt.restarts + 1, options.max_restarts));
    if (is_over) return result.status;
  }
}

}  // namespace cloob
