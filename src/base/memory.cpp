#include "cloob/base/memory.h"

#include <fstream>
#include <string>
#include <string_view>

#include "cloob/base/error.h"

namespace cloob {
namespace {

// One line of /proc/self/status, "VmRSS:      1234 kB", in bytes.
std::uint64_t status_bytes(std::string_view key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(key)) return std::stoull(line.substr(key.size())) * 1024;
  }
  throw InternalError(fmt::format("internal error: /proc/self/status has no line '{}'", key));
}

}  // namespace

std::uint64_t current_rss_bytes() { return status_bytes("VmRSS:"); }

std::uint64_t peak_rss_bytes() { return status_bytes("VmHWM:"); }

bool reset_peak_rss() {
  std::ofstream clear_refs("/proc/self/clear_refs");
  clear_refs << "5" << std::flush;  // 5: "reset the peak resident set size", proc(5)
  return clear_refs.good();
}

}  // namespace cloob
