#include "data/stream/gunzip_stream.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "cloob/base/error.h"

namespace cloob {
namespace {

constexpr std::size_t kInputBytes = 256 << 10;
constexpr std::size_t kMagicBytes = 2;

}  // namespace

GunzipStream::GunzipStream(std::unique_ptr<ByteStream> stream) : stream_(std::move(stream)) {}

GunzipStream::~GunzipStream() {
  if (zlib_.state != nullptr) inflateEnd(&zlib_);
}

// Reads more input; false at the end of the compressed stream.
bool GunzipStream::fetch() {
  input_.erase(input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(begin_));
  begin_ = 0;
  const std::size_t have = input_.size();
  input_.resize(have + kInputBytes);
  const std::size_t count = stream_->read(std::span(input_).subspan(have));
  input_.resize(have + count);
  return count > 0;
}

bool GunzipStream::begins_member() const {
  return input_.size() - begin_ >= kMagicBytes && input_[begin_] == std::byte{0x1f} &&
         input_[begin_ + 1] == std::byte{0x8b};
}

void GunzipStream::detect_compression() {
  while (input_.size() - begin_ < kMagicBytes && fetch()) {
  }
  state_ = State::plain;
  if (!begins_member()) return;
  constexpr int kGzipOnly = 16;
  CLOOB_CHECK(inflateInit2(&zlib_, MAX_WBITS + kGzipOnly) == Z_OK, "zlib is out of memory");
  state_ = State::compressed;
}

std::size_t GunzipStream::copy(std::span<std::byte> into) {
  if (begin_ == input_.size()) return stream_->read(into);
  const std::size_t count = std::min(into.size(), input_.size() - begin_);
  std::copy_n(input_.begin() + static_cast<std::ptrdiff_t>(begin_), count, into.begin());
  begin_ += count;
  return count;
}

std::size_t GunzipStream::decompress(std::span<std::byte> into) {
  zlib_.next_out = reinterpret_cast<Bytef*>(into.data());
  zlib_.avail_out = static_cast<uInt>(std::min<std::size_t>(into.size(), 1 << 30));
  const uInt wanted = zlib_.avail_out;
  while (zlib_.avail_out == wanted) {
    if (begin_ == input_.size() && !fetch()) {
      throw StreamError(StreamError::Kind::permanent, "its gzip data is truncated");
    }
    zlib_.next_in = reinterpret_cast<Bytef*>(input_.data() + begin_);
    zlib_.avail_in = static_cast<uInt>(input_.size() - begin_);
    const int status = inflate(&zlib_, Z_NO_FLUSH);
    begin_ = input_.size() - zlib_.avail_in;
    if (status == Z_STREAM_END) {
      // Several gzip members are allowed, and so is padding after the last one.
      while (input_.size() - begin_ < kMagicBytes && fetch()) {
      }
      if (!begins_member()) {
        state_ = State::ended;
        break;
      }
      inflateReset(&zlib_);
    } else if (status != Z_OK) {
      throw StreamError(StreamError::Kind::permanent,
                        fmt::format("its gzip data is damaged ({})", zlib_.msg ? zlib_.msg : "zlib error"));
    }
  }
  return wanted - zlib_.avail_out;
}

std::size_t GunzipStream::read(std::span<std::byte> into) {
  if (into.empty()) return 0;
  if (state_ == State::unknown) detect_compression();
  switch (state_) {
    case State::plain:
      return copy(into);
    case State::compressed:
      return decompress(into);
    default:
      return 0;
  }
}

}  // namespace cloob
