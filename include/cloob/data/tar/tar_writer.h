#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <utility>

#include "cloob/base/files.h"

namespace cloob {

/// Writes a tar file (ustar) whose bytes depend only on names and contents: no times, no owners.
///
/// The file appears under its name only when it is complete (see AtomicFile).
class TarWriter {
 public:
  explicit TarWriter(std::filesystem::path path) : file_(std::move(path)) {}

  /// Throws UserError for a name that does not fit into ustar (100 bytes, up to 255 with folders) and for a
  /// full disk.
  void add(std::string_view name, std::span<const std::byte> content);
  void add(std::string_view name, std::string_view content);
  /// Writes the end of the archive, syncs, and renames the file to its name.
  void finish();

 private:
  AtomicFile file_;
};

}  // namespace cloob
