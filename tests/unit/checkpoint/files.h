#pragma once

#include <filesystem>
#include <fstream>
#include <string>

namespace cloob::testing {

/// Writes a file without syncing, which is fast enough for thousands of files. An existing file is removed
/// first, because some file systems sync a file that is truncated and rewritten.
inline void write_quickly(const std::filesystem::path& path, const std::string& content) {
  std::filesystem::remove(path);
  std::ofstream(path, std::ios::binary) << content;
}

}  // namespace cloob::testing
