#include "cloob/base/parallel.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace cloob {

namespace {

std::atomic<std::int64_t> num_processors = 0;  // 0: all

}  // namespace

std::int64_t resolve_threads(std::int64_t threads) {
  if (threads > 0) return threads;
  const std::int64_t processors = num_processors;
  return processors > 0 ? processors : std::max<std::int64_t>(1, std::thread::hardware_concurrency());
}

void set_num_processors(std::int64_t processors) { num_processors = processors; }

void parallel_for(std::int64_t count, std::int64_t threads, const std::function<void(std::int64_t)>& work) {
  std::mutex mutex;
  std::int64_t next = 0;
  std::pair<std::int64_t, std::exception_ptr> failure{count, nullptr};
  const auto take_index = [&] {
    const std::lock_guard lock(mutex);
    return failure.second ? count : next++;
  };
  const auto run = [&] {
    for (std::int64_t index = take_index(); index < count; index = take_index()) {
      try {
        work(index);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (index < failure.first) failure = {index, std::current_exception()};
      }
    }
  };
  {
    std::vector<std::jthread> workers;
    for (std::int64_t i = 1; i < std::min(threads, count); ++i) workers.emplace_back(run);
    run();
  }
  if (failure.second) std::rethrow_exception(failure.second);
}

}  // namespace cloob
