#pragma once

#include <cstdint>
#include <functional>

namespace cloob {

/// `threads`, or the number of processors of this process when it is 0.
std::int64_t resolve_threads(std::int64_t threads);
/// Makes that number smaller, for one of several processes that share a machine.
void set_num_processors(std::int64_t processors);

/// Calls `work(0)`, ..., `work(count - 1)` on up to `threads` threads. After an exception no new calls are
/// started, and of all exceptions the one with the lowest index is rethrown.
void parallel_for(std::int64_t count, std::int64_t threads, const std::function<void(std::int64_t)>& work);

}  // namespace cloob
