#pragma once

#include <filesystem>
#include <fstream>
#include <string>

namespace cloob::testing {

/// Writes a file that need not survive a power cut: thousands of them take no time. An old one is removed
/// first, since some file systems write to the disk when a file is cut to nothing and filled again.
inline void write_quickly(const std::filesystem::path& path, const std::string& content) {
  std::filesystem::remove(path);
  std::ofstream(path, std::ios::binary) << content;
}

}  // namespace cloob::testing
