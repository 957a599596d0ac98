#include "cloob/base/memory.h"

#include <malloc.h>

#include <fstream>
#include <string>
#include <string_view>

#include "cloob/base/error.h"

namespace cloob {
namespace {

// The value of one line of a file under /proc, such as "VmRSS:      1234 kB", in bytes.
std::uint64_t proc_bytes(const char* path, std::string_view key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(key)) return std::stoull(line.substr(key.size())) * 1024;
  }
  throw InternalError(fmt::format("internal error: {} has no line '{}'", path, key));
}

}  // namespace

std::uint64_t current_rss_bytes() { return proc_bytes("/proc/self/status", "VmRSS:"); }

std::uint64_t current_anonymous_bytes() { return proc_bytes("/proc/self/status", "RssAnon:"); }

std::uint64_t peak_rss_bytes() { return proc_bytes("/proc/self/status", "VmHWM:"); }

std::uint64_t available_memory_bytes() { return proc_bytes("/proc/meminfo", "MemAvailable:"); }

bool reset_peak_rss() {
  std::ofstream clear_refs("/proc/self/clear_refs");
  clear_refs << "5" << std::flush;  // 5: "reset the peak resident set size", proc(5)
  return clear_refs.good();
}

void keep_freed_memory() {
#ifdef __GLIBC__
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, -1);  // never
#endif
}

}  // namespace cloob
