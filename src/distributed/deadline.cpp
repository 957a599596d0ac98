#include "distributed/deadline.h"

#include <fmt/core.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "cloob/base/rank_failure.h"

namespace cloob {

Deadline::Deadline(std::chrono::seconds limit, std::string message)
    : thread_([this, limit, text = std::move(message)] {
        std::unique_lock lock(mutex_);
        if (!met_.wait_for(lock, limit, [this] { return is_met_; })) end_process(text);
      }) {}

Deadline::~Deadline() {
  {
    const std::lock_guard lock(mutex_);
    is_met_ = true;
  }
  met_.notify_all();
  thread_.join();
}

void end_process(const std::string& message) {
  fmt::print(stderr, "error: {}\n", message);
  std::fflush(nullptr);
  std::_Exit(kExitRankFailure);
}

}  // namespace cloob
