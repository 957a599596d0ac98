#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>

#include "cloob/base/files.h"

namespace cloob {

/// Writes a tar file (ustar) whose bytes depend on names and contents alone: no times, no owners.
class TarWriter {
 public:
  explicit TarWriter(const std::filesystem::path& path) : file_(path) {}

  /// Throws UserError for a name that ustar cannot hold (100 bytes, up to 255 with folders) and for a full
  /// disk.
  void add(std::string_view name, std::span<const std::byte> content);
  void add(std::string_view name, std::string_view content);
  /// Writes the end of the archive and syncs. Without it the file is not complete.
  void finish();

 private:
  OutputFile file_;
};

}  // namespace cloob
