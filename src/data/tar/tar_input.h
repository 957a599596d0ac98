// Where the bytes of a tar file come from: a file with random access, or a stream that can only be read
// forward.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "cloob/base/files.h"

namespace cloob {

/// Bytes by offset. Not thread-safe. For a stream, offsets must not be smaller than those of earlier calls.
class TarInput {
 public:
  virtual ~TarInput() = default;
  /// Bytes [offset, offset + size), fewer at the end of the input. Invalidated by the next call.
  virtual std::span<const std::byte> view(std::uint64_t offset, std::size_t size) = 0;
  /// Fills `into` with the bytes starting at `offset`, as far as there are any, and returns their number.
  virtual std::size_t read(std::uint64_t offset, std::span<std::byte> into) = 0;
  /// Offset past the last byte; kUnknownEnd while it is not known.
  virtual std::uint64_t end() const = 0;

  static constexpr std::uint64_t kUnknownEnd = std::numeric_limits<std::uint64_t>::max();
};

/// The part before `end` of a file, which must outlive it. Reads `window_bytes` at a time: few if data is to
/// be skipped, many if it is wanted too.
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
