#pragma once

#include <vector>

#include "data/stream/byte_stream.h"
#include "data/tar/tar_input.h"

namespace cloob {

/// A tar file that is read as a stream, which must outlive it. Throws what the stream throws.
class StreamTarInput final : public TarInput {
 public:
  explicit StreamTarInput(ByteStream& stream) : stream_(stream) {}

  std::span<const std::byte> view(std::uint64_t offset, std::size_t size) override;
  std::size_t read(std::uint64_t offset, std::span<std::byte> into) override;
  std::uint64_t end() const override { return has_ended_ ? buffer_end() : kUnknownEnd; }

 private:
  std::uint64_t buffer_end() const { return buffer_offset_ + buffer_.size(); }
  void drop_before(std::uint64_t offset);
  void fetch_until(std::uint64_t end);

  ByteStream& stream_;
  std::vector<std::byte> buffer_;  // the bytes starting at buffer_offset_
  std::uint64_t buffer_offset_ = 0;
  bool has_ended_ = false;
};

}  // namespace cloob
