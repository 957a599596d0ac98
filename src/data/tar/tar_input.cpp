#include "data/tar/tar_input.h"

#include <algorithm>
#include <cstring>

namespace cloob {

FileTarInput::FileTarInput(const RandomAccessFile& file, std::uint64_t end, std::size_t window_bytes)
    : file_(file), end_(end), window_bytes_(window_bytes) {}

std::size_t FileTarInput::available(std::uint64_t offset, std::size_t size) const {
  return offset < end_ ? static_cast<std::size_t>(std::min<std::uint64_t>(size, end_ - offset)) : 0;
}

std::span<const std::byte> FileTarInput::view(std::uint64_t offset, std::size_t size) {
  size = available(offset, size);
  const bool inside = offset >= window_offset_ && offset + size <= window_offset_ + window_.size();
  if (!inside) {
    window_.resize(available(offset, std::max(window_bytes_, size)));
    window_offset_ = offset;
    file_.read(offset, window_);
  }
  return std::span<const std::byte>(window_).subspan(static_cast<std::size_t>(offset - window_offset_), size);
}

std::size_t FileTarInput::read(std::uint64_t offset, std::span<std::byte> into) {
  into = into.first(available(offset, into.size()));
  if (into.size() <= window_bytes_) {
    std::ranges::copy(view(offset, into.size()), into.begin());
  } else {
    file_.read(offset, into);
  }
  return into.size();
}

}  // namespace cloob
