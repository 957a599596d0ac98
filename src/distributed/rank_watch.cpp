#include "distributed/rank_watch.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "cloob/base/first_line.h"
#include "cloob/base/host_name.h"
#include "cloob/base/log.h"
#include "cloob/base/rank_failure.h"
#include "cloob/base/text.h"
#include "distributed/deadline.h"
#include "distributed/rank_keys.h"

namespace cloob {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kBeat{1000};
constexpr std::chrono::milliseconds kPoll{50};
// A rank that was killed is found when two beats are missing; one that reports its failure does so at once.
constexpr std::chrono::milliseconds kUntilGone{3000};
// The main thread may notice a failure by itself and end in a better way.
constexpr std::chrono::seconds kGrace{5};
constexpr std::chrono::seconds kSlow{30};

std::string_view words_for(const std::string& activity) {
  if (activity == "data") return "is waiting for its data";
  if (activity == "evaluation") return "is evaluating";
  if (activity == "checkpoint") return "is saving";
  return "is starting";
}

std::string_view name_of_activity(RankActivity activity) {
  switch (activity) {
    case RankActivity::start:
      return "start";
    case RankActivity::step:
      return "step";
    case RankActivity::data:
      return "data";
    case RankActivity::evaluation:
      return "evaluation";
    case RankActivity::checkpoint:
      return "checkpoint";
  }
  return "";
}

// What was saved is safe.
[[noreturn]] void end_rank(const std::string& reason) { end_process(reason + ": this rank ends as well"); }

}  // namespace

RankWatch::RankWatch(const RankStore& store, const RankEnvironment& environment, const RankTimeouts& timeouts)
    : environment_(environment),
      timeouts_(timeouts),
      store_(store, environment, timeouts.step),
      host_(host_name()) {
  beat();
  // Rank 0 judges itself as well: nobody else looks at its progress.
  const std::int64_t count = environment_.rank == 0 ? environment_.world_size : 1;
  for (std::int64_t rank = 0; rank < count; ++rank) {
    seen_[rank] = {{}, Clock::now(), Clock::now()};
  }
  last_look_ = Clock::now();
  thread_ = std::thread([this] { watch(); });
  guard_ = std::thread([this] { guard(); });
}

// The guard last: the other thread may be in a request that never returns.
RankWatch::~RankWatch() {
  const auto stop = [this](bool& flag, std::thread& thread) {
    {
      const std::lock_guard lock(mutex_);
      flag = true;
    }
    stop_.notify_all();
    thread.join();
  };
  stop(is_stopping_, thread_);
  stop(guard_is_stopping_, guard_);
}

void RankWatch::watch() {
  std::unique_lock lock(mutex_);
  while (!stop_.wait_for(lock, kBeat, [this] { return is_stopping_; })) {
    lock.unlock();
    std::optional<std::string> failure;
    try {
      beat();
      failure = store_.find(kFailureKey);
      if (!failure) failure = judge();
      if (failure && environment_.rank == 0) store_.set_if_absent(kFailureKey, *failure);
    } catch (const RankFailure& lost) {
      failure = lost.what();
    }
    last_look_ = failure ? Clock::now() + kGrace : Clock::now();
    lock.lock();
    if (!failure) continue;
    if (stop_.wait_for(lock, kGrace, [this] { return is_stopping_; })) return;
    if (activity_ == RankActivity::checkpoint && !is_waiting_) continue;  // it is being written
    end_rank(*failure);
  }
}

void RankWatch::guard() {
  std::unique_lock lock(mutex_);
  while (!stop_.wait_for(lock, kBeat, [this] { return guard_is_stopping_; })) {
    if (Clock::now() - last_look_.load() < timeouts_.step + kBeat) continue;
    end_rank(fmt::format("rank 0 ({}:{}) has given no sign of life for {} seconds", environment_.address,
                         environment_.port, timeouts_.step.count()));
  }
}

// "17 203 step host": beats, operations, activity.
void RankWatch::beat() {
  const std::string_view activity = is_waiting_ ? "wait" : name_of_activity(activity_);
  store_.set(rank_key("beat", environment_.rank),
             fmt::format("{} {} {} {}", ++beats_, operations_.load(), activity, host_));
}

RankWatch::Beat RankWatch::read_beat(std::int64_t rank) const {
  const auto text = store_.find(rank_key("beat", rank));
  if (!text) return {};
  const std::vector<std::string> words = split(*text, ' ');
  return words.size() < 4 ? Beat() : Beat{words[0], words[1], words[2], words[3]};
}

std::string RankWatch::name_of(std::int64_t rank, const std::string& host) const {
  return fmt::format("rank {} of {}{}", rank, environment_.world_size,
                     host.empty() ? "" : fmt::format(" on {}", host));
}

std::optional<std::string> RankWatch::judge() {
  bool all_wait = is_waiting_ && environment_.world_size > 1;
  auto last_move = Clock::time_point::min();
  for (auto& [rank, seen] : seen_) {
    if (store_.find(rank_key("left", rank))) continue;  // the others may still be waiting for each other
    if (const auto failure = judge(rank, seen)) return failure;
    all_wait = all_wait && seen.beat.activity == "wait";
    last_move = std::max(last_move, seen.moved);
  }
  if (environment_.rank == 0 && all_wait && Clock::now() - last_move > timeouts_.step)
    return fmt::format("all ranks have been waiting for each other for {} seconds", timeouts_.step.count());
  return std::nullopt;
}

std::optional<std::string> RankWatch::judge(std::int64_t rank, Seen& seen) {
  const auto now = Clock::now();
  const Beat beat = read_beat(rank);
  if (beat.number != seen.beat.number) seen.alive = now;
  if (beat.progress != seen.beat.progress || beat.activity != seen.beat.activity) {
    seen.moved = now;
    seen.is_slow = false;
  }
  seen.beat = beat;
  const std::string name = name_of(rank, beat.host);
  if (now - seen.alive > timeouts_.step)
    return fmt::format("{} has given no sign of life for {} seconds", name, timeouts_.step.count());
  if (beat.activity == "wait" || environment_.rank != 0) return std::nullopt;
  const auto still = now - seen.moved;
  if (beat.activity == "step" && still > timeouts_.step)
    return fmt::format("{} has been in one step for {} seconds (train.timeout_seconds)", name,
                       timeouts_.step.count());
  if (is_waiting_ && still > kSlow && beat.activity != "step" && !std::exchange(seen.is_slow, true)) {
    log_warning("ranks", "{} {} for {} seconds; the others wait for it", name, words_for(beat.activity),
                std::chrono::duration_cast<std::chrono::seconds>(still).count());
  }
  return std::nullopt;
}

std::vector<std::string> RankWatch::beats_of_all() const {
  std::vector<std::string> beats;
  for (std::int64_t rank = 0; rank < environment_.world_size; ++rank) beats.push_back(read_beat(rank).number);
  return beats;
}

// Operations of other ranks need not fail, and this one leaves: it tells them the reason.
std::string RankWatch::reason_of_failure(const std::string& error) {
  const std::string reason = find_reason(error);
  try {
    store_.set_if_absent(kFailureKey, reason);
  } catch (const RankFailure&) {  // its host is gone
  }
  return reason;
}

std::string RankWatch::find_reason(const std::string& error) const {
  try {
    const std::vector<std::string> before = beats_of_all();
    for (const auto end = Clock::now() + kUntilGone; Clock::now() < end; std::this_thread::sleep_for(kPoll)) {
      if (const auto failure = store_.find(kFailureKey)) return *failure;
    }
    for (std::int64_t rank = 0; rank < environment_.world_size; ++rank) {
      const Beat beat = read_beat(rank);
      if (beat.number == before[static_cast<std::size_t>(rank)])
        return name_of(rank, beat.host) + " has ended without a word, or its machine is gone";
    }
    return fmt::format("{} has lost the connection to another rank: {}", name_of(environment_.rank, host_),
                       first_line(error));
  } catch (const RankFailure& lost) {
    return lost.what();
  }
}

}  // namespace cloob
