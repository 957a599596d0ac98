// Size and checksum of a file, to detect damage when it is read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

namespace cloob {

struct FileDigest {
  std::uint64_t bytes = 0;
  std::uint32_t crc32 = 0;  // the CRC-32 of zlib, PNG and zip
  bool operator==(const FileDigest&) const = default;

  /// Appends the next bytes of the file; large pieces are processed on all threads.
  void update(std::span<const std::byte> piece);
};

/// The digest of a file on disk, read in pieces.
FileDigest digest_file(const std::filesystem::path& path);

}  // namespace cloob
