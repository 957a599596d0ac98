#include "checkpoint/disk_space.h"

#include <fmt/core.h>

#include <limits>
#include <system_error>

#include "cloob/base/text.h"

namespace cloob {

std::uint64_t free_bytes(const std::filesystem::path& folder) {
  std::error_code error;
  const std::uintmax_t available = std::filesystem::space(folder, error).available;
  return error ? std::numeric_limits<std::uint64_t>::max() : available;
}

std::string describe_shortage(const std::filesystem::path& folder, std::uint64_t needed, std::uint64_t free) {
  if (free >= needed) return "";
  return fmt::format(
      "; a checkpoint needs {} and {} are free in '{}': free space there or lower checkpoint.keep_last",
      human_bytes(needed), human_bytes(free), folder.string());
}

}  // namespace cloob
