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

/// Calls `produce(0)`, ..., `produce(count - 1)` on `threads` threads and passes the results to
/// `consume(number, result)`, on the calling thread and in order, until it returns false. At most two results
/// per thread are waiting. An exception of `produce` is rethrown when its turn comes.
template <class Produce, class Consume>
void produce_in_order(std::int64_t count, std::int64_t threads, const Produce& produce,
                      const Consume& consume) {
  struct Slot {
    std::optional<std::invoke_result_t<Produce, std::int64_t>> result;
    std::exception_ptr error;
    bool ready() const { return result || error; }
  };
  std::vector<Slot> slots(static_cast<std::size_t>(2 * threads));
  const auto slot_of = [&](std::int64_t number) -> Slot& {
    return slots[static_cast<std::size_t>(number) % slots.size()];
  };
  std::mutex mutex;  // guards the slots and the variables below
  std::condition_variable slot_is_free, result_is_ready;
  std::int64_t num_started = 0, num_consumed = 0;
  bool stopping = false;

  const auto work = [&] {
    std::unique_lock lock(mutex);
    for (;;) {
      slot_is_free.wait(lock, [&] {
        return stopping || num_started == count || num_started - num_consumed < std::ssize(slots);
      });
      if (stopping || num_started == count) return;
      const std::int64_t number = num_started++;
      lock.unlock();
      Slot slot;
      try {
        slot.result = produce(number);
      } catch (...) {
        slot.error = std::current_exception();
      }
      lock.lock();
      slot_of(number) = std::move(slot);
      result_is_ready.notify_one();
    }
  };
  struct Workers {
    const std::function<void()> stop;
    std::vector<std::jthread> threads;
    ~Workers() { stop(); }
  };
  Workers workers{[&] {
                    const std::lock_guard lock(mutex);
                    stopping = true;
                    slot_is_free.notify_all();
                  },
                  {}};
  for (std::int64_t i = 0; i < threads; ++i) workers.threads.emplace_back(work);
  for (std::int64_t number = 0; number < count; ++number) {
    std::unique_lock lock(mutex);
    result_is_ready.wait(lock, [&] { return slot_of(number).ready(); });
    Slot slot = std::exchange(slot_of(number), {});
    ++num_consumed;
    slot_is_free.notify_one();
    lock.unlock();
    if (slot.error) std::rethrow_exception(slot.error);
    if (!consume(number, *std::move(slot.result))) return;
  }
}

}  // namespace cloob
