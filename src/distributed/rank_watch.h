#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "cloob/base/timer.h"
#include "cloob/distributed/ranks.h"
#include "distributed/rank_store.h"

namespace cloob {

/// A thread that tells the other ranks that this one is alive, and ends the process when a rank has failed, is gone or gives no
/// sign of life: the main thread may be waiting for it in an operation that never ends.
///
/// A second thread looks after the first, because requests to a store whose process is stopped never return.
///
/// Each rank writes its beat into the store. Rank 0 reads all beats and writes the verdict, so that the work of the store
/// grows with the number of ranks and not with its square.
class RankWatch {
 public:
  RankWatch(const RankStore& store, const RankEnvironment& environment, const RankTimeouts& timeouts);
  ~RankWatch();
  RankWatch(const RankWatch&) = delete;  // its thread refers to it
  RankWatch& operator=(const RankWatch&) = delete;

  /// Marks the time in which the main thread waits for the others.
  class Operation {
   public:
    explicit Operation(RankWatch& watch) : watch_(watch) { watch_.is_waiting_ = true; }
    ~Operation() {
      watch_.is_waiting_ = false;
      ++watch_.operations_;
      watch_.waited_seconds_ = watch_.waited_seconds_ + timer_.seconds();
    }
    Operation(const Operation&) = delete;
    Operation& operator=(const Operation&) = delete;

   private:
    RankWatch& watch_;
    Timer timer_;
  };
  /// In all operations.
  double waited_seconds() const { return waited_seconds_; }

  void announce(RankActivity activity) {
    activity_ = activity;
    ++operations_;
  }
  /// Why an operation has failed, as far as another rank has told; waits a moment for it, and tells the other ranks. `error` is
  /// c10d's message, of which the first line is used.
  std::string reason_of_failure(const std::string& error);

 private:
  /// A sign of life of a rank, as it is in the store.
  struct Beat {
    std::string number, progress;  ///< the first changes while the process lives, the second while it gets on
    std::string activity, host;
  };
  /// The last beat of a rank, and since when parts of it have not changed.
  struct Seen {
    Beat beat;
    std::chrono::steady_clock::time_point alive, moved;
    bool is_slow = false;  ///< which was said
  };

  void watch();
  void guard();
  void beat();
  Beat read_beat(std::int64_t rank) const;
  std::optional<std::string> judge();
  std::optional<std::string> judge(std::int64_t rank, Seen& seen);
  std::string find_reason(const std::string& error) const;
  std::vector<std::string> beats_of_all() const;
  std::string name_of(std::int64_t rank, const std::string& host) const;

  RankEnvironment environment_;
  RankTimeouts timeouts_;
  RankStore store_;  // its own connection
  std::string host_;
  std::atomic<std::int64_t> operations_ = 0;
  std::atomic<bool> is_waiting_ = false;
  std::atomic<double> waited_seconds_ = 0;
  std::atomic<RankActivity> activity_ = RankActivity::start;
  std::mutex mutex_;
  std::condition_variable stop_;
  bool is_stopping_ = false, guard_is_stopping_ = false;
  std::int64_t beats_ = 0;
  std::map<std::int64_t, Seen> seen_;  // on rank 0, of all; on others, of rank 0
  std::atomic<std::chrono::steady_clock::time_point> last_look_;
  std::thread thread_, guard_;
};

}  // namespace cloob
