#include "data/stream/stream_tar_input.h"

#include <algorithm>

#include "cloob/base/error.h"

namespace cloob {
namespace {

constexpr std::size_t kChunkBytes = 256 << 10;

}  // namespace

// Fetches chunks until the buffer reaches `end` or the stream ends.
void StreamTarInput::fetch_until(std::uint64_t end) {
  while (buffer_end() < end && !has_ended_) {
    const std::size_t have = buffer_.size();
    buffer_.resize(have + kChunkBytes);
    const std::size_t count = stream_.read(std::span(buffer_).subspan(have));
    buffer_.resize(have + count);
    has_ended_ = count == 0;
  }
}

// Discards everything before `offset`, or until the stream ends.
void StreamTarInput::drop_before(std::uint64_t offset) {
  while (buffer_end() < offset && !has_ended_) {
    buffer_offset_ = buffer_end();
    buffer_.clear();
    fetch_until(buffer_offset_ + 1);
  }
  const std::uint64_t discarded = std::min(offset, buffer_end()) - buffer_offset_;
  buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(discarded));
  buffer_offset_ += discarded;
}

std::span<const std::byte> StreamTarInput::view(std::uint64_t offset, std::size_t size) {
  CLOOB_CHECK(offset >= buffer_offset_, "byte {} of a stream has been discarded already, at {}", offset,
              buffer_offset_);
  if (offset + size > buffer_end()) {
    drop_before(offset);
    fetch_until(offset + size);
  }
  if (offset >= buffer_end()) return {};
  const auto begin = static_cast<std::size_t>(offset - buffer_offset_);
  return std::span<const std::byte>(buffer_).subspan(begin, std::min(size, buffer_.size() - begin));
}

std::size_t StreamTarInput::read(std::uint64_t offset, std::span<std::byte> into) {
  std::size_t count = 0;
  while (count < into.size()) {
    const auto chunk = view(offset + count, std::min(into.size() - count, kChunkBytes));
    if (chunk.empty()) break;
    std::ranges::copy(chunk, into.begin() + static_cast<std::ptrdiff_t>(count));
    count += chunk.size();
  }
  return count;
}

}  // namespace cloob
