// The stored (uncompressed) entries of a zip archive, in which PyTorch keeps all data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>

namespace cloob {

/// A zip archive opened for reading. Not thread-safe. Failures are UserErrors that name the file.
class ZipArchive {
 public:
  /// Verifies that the stored entries fit into the file, so that their sizes can be trusted.
  explicit ZipArchive(std::filesystem::path path);
  ~ZipArchive();
  ZipArchive(const ZipArchive&) = delete;
  ZipArchive& operator=(const ZipArchive&) = delete;

  /// Names and sizes in bytes of the stored entries, without compressed ones (code in TorchScript archives).
  const std::map<std::string, std::uint64_t>& sizes() const { return sizes_; }
  /// Reads an entire entry into `into`, which must have its size, and verifies its checksum.
  void read(const std::string& name, std::span<std::byte> into) const;
  std::string read(const std::string& name) const;

 private:
  void list_entries();

  struct Handle;
  std::filesystem::path path_;
  std::unique_ptr<Handle> handle_;
  std::map<std::string, std::uint64_t> sizes_;
};

}  // namespace cloob
