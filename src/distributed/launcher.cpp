#include "cloob/distributed/launcher.h"

#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <optional>

#include "cloob/base/child_process.h"
#include "cloob/base/error.h"
#include "cloob/base/log.h"
#include "cloob/base/rank_failure.h"

namespace cloob {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kUntilStoppedAreKilled{5};  // after SIGTERM

struct Attempt {
  std::int64_t restarts = 0;
  std::uint16_t port = 0;
};

ChildCommand command_of_rank(const LaunchOptions& options, const Attempt& attempt, std::int64_t rank) {
  return {.name = fmt::format("rank {}", rank),
          .words = options.command,
          .environment = {{"RANK", std::to_string(rank)},
                          {"LOCAL_RANK", std::to_string(rank)},
                          {"WORLD_SIZE", std::to_string(options.num_ranks)},
                          {"LOCAL_WORLD_SIZE", std::to_string(options.num_ranks)},
                          {"MASTER_ADDR", "127.0.0.1"},
                          {"MASTER_PORT", std::to_string(attempt.port)},
                          {"CLOOB_RESTARTS", std::to_string(attempt.restarts)},
                          {"TORCHELASTIC_USE_AGENT_STORE", std::nullopt}}};
}

/// The ranks of one attempt.
class RankProcesses {
 public:
  RankProcesses(const LaunchOptions& options, const Attempt& attempt, const SignalQueue& signals)
      : num_ranks_(options.num_ranks), processes_(signals) {
    for (std::int64_t rank = 0; rank < options.num_ranks; ++rank)
      processes_.start(rank, command_of_rank(options, attempt, rank));
  }

  bool are_running() const { return processes_.num_running() > 0; }
  /// Whether the others have ended, and those that are left cannot.
  bool only_stopped_are_left() const {
    return processes_.num_running() < num_ranks_ && processes_.num_stopped() > 0 &&
           processes_.num_stopped() == processes_.num_running();
  }
  void send(int signal_number) const { processes_.send(signal_number); }
  void kill_rest(int signal_number) {
    was_killed_ = true;
    send(signal_number);
  }
  void kill_stopped() {
    if (processes_.num_stopped() == 0) return;
    was_killed_ = true;
    processes_.kill_stopped();
  }
  // Takes note of the ranks that have ended.
  void collect() {
    for (const auto& [rank, status] : processes_.collect()) note_end(rank, status);
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
  ChildProcesses processes_;
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
          "launch", "rank {} {}{}", result.failed_rank, describe_exit_status(result.status),
          is_over ? "" : fmt::format(": restart {} of {}", attempt.restarts + 1, options.max_restarts));
    if (is_over) return result.status;
  }
}

}  // namespace cloob
