// Memory use of this process and of the machine, as Linux reports it.
#pragma once

#include <cstdint>

namespace cloob {

inline constexpr double kGiB = 1024.0 * 1024.0 * 1024.0;

/// Current resident set size. Throws InternalError when /proc/self/status cannot be read.
std::uint64_t current_rss_bytes();

/// The part of it that is no page of a file: what the system cannot get back by forgetting it.
std::uint64_t current_anonymous_bytes();

/// Peak resident set size since the process started or since the last successful `reset_peak_rss`.
std::uint64_t peak_rss_bytes();

/// Memory that can still be allocated without swapping. Throws InternalError when /proc/meminfo cannot be
/// read.
std::uint64_t available_memory_bytes();

/// Makes the C library keep freed memory of any size for later allocations, for the rest of the process. By
/// default large blocks are returned to the system each time, and a training step pays for millions of page
/// faults. No effect unless the library is glibc.
void keep_freed_memory();

/// Resets the peak to the current value. Returns false when the kernel does not permit it.
bool reset_peak_rss();

}  // namespace cloob
