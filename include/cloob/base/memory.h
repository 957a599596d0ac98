// How much physical memory this process occupies, as Linux counts it.
#pragma once

#include <cstdint>

namespace cloob {

inline constexpr double kGiB = 1024.0 * 1024.0 * 1024.0;

/// Bytes of resident memory now. Throws InternalError where /proc/self/status cannot be read.
std::uint64_t current_rss_bytes();

/// The most bytes that were resident since the process started or since the last successful `reset_peak_rss`.
std::uint64_t peak_rss_bytes();

/// What programs may still take without swapping. Throws InternalError where /proc/meminfo cannot be read.
std::uint64_t available_memory_bytes();

/// Has the C library keep freed memory of any size for the next request, for the rest of the process. By
/// default large blocks go back to the system each time, and a training step pays for millions of fresh
/// pages. No effect where the library is another than glibc.
void keep_freed_memory();

/// Makes `peak_rss_bytes` start again from the current value. Returns false where the kernel does not permit
/// it.
bool reset_peak_rss();

}  // namespace cloob
