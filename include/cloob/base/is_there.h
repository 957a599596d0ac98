#pragma once

#include <filesystem>
#include <system_error>

namespace cloob {

/// Whether the file or folder exists and can be seen.
inline bool is_there(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

}  // namespace cloob
