// Files that are read through memory, by page, when they are looked at.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

namespace cloob {

/// A whole file as memory. Its size is that of the moment it was opened: a file that is made shorter in place while it is
/// mapped ends the program with SIGBUS, so that files that are mapped are only ever replaced as a whole.
class MappedFile {
 public:
  MappedFile() = default;
  /// Throws UserError if it cannot be read.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  std::uint64_t size() const { return size_; }
  /// The file as numbers; bytes after the last whole one are not part of it.
  template <class Number>
  std::span<const Number> as() const {
    return {reinterpret_cast<const Number*>(data_), size_ / sizeof(Number)};
  }

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Asks the system to read the pages of some mapped bytes, without waiting for them: many such pages are then read at a time,
/// instead of one after the other as they are looked at.
void read_ahead(std::span<const std::byte> mapped);

}  // namespace cloob
