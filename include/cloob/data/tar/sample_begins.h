// Where the samples of a shard begin.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "cloob/base/files.h"

namespace cloob {

/// Offsets of samples in blocks of 512 bytes, ascending: in memory after a scan, or in an index file, from which
/// they are read one by one. Thread-safe.
class SampleBegins {
 public:
  SampleBegins() = default;
  explicit SampleBegins(std::vector<std::uint32_t> begins);
  /// `count` little-endian numbers of four bytes from `offset` of the file on.
  SampleBegins(std::shared_ptr<const RandomAccessFile> file, std::uint64_t offset, std::int64_t count);

  std::int64_t size() const { return size_; }
  /// Copies the numbers from index `first` on. Throws UserError if the index file has become shorter.
  void read(std::int64_t first, std::span<std::uint32_t> into) const;
  /// All of them; a copy. Throws as `read` does.
  std::vector<std::uint32_t> all() const;

 private:
  std::int64_t size_ = 0;
  std::shared_ptr<const std::vector<std::uint32_t>> memory_;
  std::shared_ptr<const RandomAccessFile> file_;
  std::uint64_t offset_ = 0;
};

}  // namespace cloob
