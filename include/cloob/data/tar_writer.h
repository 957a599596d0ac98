#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>

#include "cloob/base/files.h"

namespace cloob {

/// Writes a tar file (ustar) whose bytes depend on names and contents alone: no times, no owners.
///
/// It is written beside its place, as PATH.tmpNUMBER, and moved there by `finish`: a file of that name is
/// whole, whatever happened.
class TarWriter {
 public:
  explicit TarWriter(std::filesystem::path path);
  /// Removes what was not finished.
  ~TarWriter();
  TarWriter(const TarWriter&) = delete;
  TarWriter& operator=(const TarWriter&) = delete;

  /// Throws UserError for a name that ustar cannot hold (100 bytes, up to 255 with folders) and for a full
  /// disk.
  void add(std::string_view name, std::span<const std::byte> content);
  void add(std::string_view name, std::string_view content);
  /// Writes the end of the archive, syncs, and gives the file its name.
  void finish();

 private:
  std::filesystem::path path_;
  std::filesystem::path temporary_;  // empty once it has been moved
  OutputFile file_;
};

}  // namespace cloob
