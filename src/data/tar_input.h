// Where the bytes of a tar file come from: a file that is read at any place, or a stream that only goes
// forwards.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "cloob/base/files.h"

namespace cloob {

/// Bytes by their offset. Not thread-safe. A stream can be asked only for offsets that do not lie before
/// those of earlier calls.
class TarInput {
 public:
  virtual ~TarInput() = default;
  /// Bytes [offset, offset + size), fewer where the input ends. Gone at the next call.
  virtual std::span<const std::byte> view(std::uint64_t offset, std::size_t size) = 0;
  /// Fills `into` with the bytes from `offset` on, as far as there are any, and returns their number.
  virtual std::size_t read(std::uint64_t offset, std::span<std::byte> into) = 0;
  /// Byte behind the last one; the largest number there is while that is not known.
  virtual std::uint64_t end() const = 0;

  static constexpr std::uint64_t kUnknownEnd = std::numeric_limits<std::uint64_t>::max();
};

/// The part of a file before `end`, which outlives it. Reads `window_bytes` at a time: small where data is to
/// be skipped, large where it is wanted too.
class FileTarInput final : public TarInput {
 public:
  FileTarInput(const RandomAccessFile& file, std::uint64_t end, std::size_t window_bytes);

  std::span<const std::byte> view(std::uint64_t offset, std::size_t size) override;
  std::size_t read(std::uint64_t offset, std::span<std::byte> into) override;
  std::uint64_t end() const override { return end_; }

 private:
  std::size_t available(std::uint64_t offset, std::size_t size) const;

  const RandomAccessFile& file_;
  std::uint64_t end_;
  std::size_t window_bytes_;
  std::vector<std::byte> window_;
  std::uint64_t window_offset_ = 0;
};

}  // namespace cloob
