#pragma once

#include <cstdint>
#include <functional>

namespace cloob {

/// `threads`, or one for each processor where it is 0.
std::int64_t resolve_threads(std::int64_t threads);

/// Calls `work(0)`, ..., `work(count - 1)` on up to `threads` threads. When calls throw, the exception of the
/// lowest number that was reached is thrown on.
void parallel_for(std::int64_t count, std::int64_t threads, const std::function<void(std::int64_t)>& work);

}  // namespace cloob
