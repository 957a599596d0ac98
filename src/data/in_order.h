#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <iterator>
#include <mutex>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace cloob {

/// Calls `make(0)`, ..., `make(count - 1)` on `threads` threads and hands the results over to
/// `use(number, result)`, on the calling thread and in the order of the numbers, until it returns false. At
/// most two results a thread wait to be used. What `make` throws is thrown on when its turn comes.
template <class Make, class Use>
void make_in_order(std::int64_t count, std::int64_t threads, const Make& make, const Use& use) {
  struct Slot {
    std::optional<std::invoke_result_t<Make, std::int64_t>> result;
    std::exception_ptr error;
    bool ready() const { return result || error; }
  };
  std::vector<Slot> slots(static_cast<std::size_t>(2 * threads));
  const auto slot_of = [&](std::int64_t number) -> Slot& {
    return slots[static_cast<std::size_t>(number) % slots.size()];
  };
  std::mutex mutex;  // of everything below and of the slots
  std::condition_variable slot_is_free, result_is_ready;
  std::int64_t num_begun = 0, num_used = 0;
  bool stopping = false;

  const auto work = [&] {
    std::unique_lock lock(mutex);
    for (;;) {
      slot_is_free.wait(
          lock, [&] { return stopping || num_begun == count || num_begun - num_used < std::ssize(slots); });
      if (stopping || num_begun == count) return;
      const std::int64_t number = num_begun++;
      lock.unlock();
      Slot made;
      try {
        made.result = make(number);
      } catch (...) {
        made.error = std::current_exception();
      }
      lock.lock();
      slot_of(number) = std::move(made);
      result_is_ready.notify_one();
    }
  };
  struct Helpers {
    const std::function<void()> stop;
    std::vector<std::jthread> threads;
    ~Helpers() { stop(); }
  };
  Helpers helpers{[&] {
                    const std::lock_guard lock(mutex);
                    stopping = true;
                    slot_is_free.notify_all();
                  },
                  {}};
  for (std::int64_t i = 0; i < threads; ++i) helpers.threads.emplace_back(work);
  for (std::int64_t number = 0; number < count; ++number) {
    std::unique_lock lock(mutex);
    result_is_ready.wait(lock, [&] { return slot_of(number).ready(); });
    Slot made = std::exchange(slot_of(number), {});
    ++num_used;
    slot_is_free.notify_one();
    lock.unlock();
    if (made.error) std::rethrow_exception(made.error);
    if (!use(number, *std::move(made.result))) return;
  }
}

}  // namespace cloob
