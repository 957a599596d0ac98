#include "cloob/data/tar/sample_begins.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "cloob/base/error.h"

namespace cloob {

static_assert(std::endian::native == std::endian::little, "index files are little-endian");

SampleBegins::SampleBegins(std::vector<std::uint32_t> begins)
    : size_(static_cast<std::int64_t>(begins.size())),
      memory_(std::make_shared<const std::vector<std::uint32_t>>(std::move(begins))) {}

SampleBegins::SampleBegins(std::shared_ptr<const RandomAccessFile> file, std::uint64_t offset,
                           std::int64_t count)
    : size_(count), file_(std::move(file)), offset_(offset) {}

void SampleBegins::read(std::int64_t first, std::span<std::uint32_t> into) const {
  const auto count = static_cast<std::int64_t>(into.size());
  CLOOB_CHECK(first >= 0 && count <= size_ - first, "samples {} to {} of {}", first, first + count, size_);
  if (file_) {
    const auto skipped = static_cast<std::uint64_t>(first) * sizeof(std::uint32_t);
    return file_->read(offset_ + skipped, std::as_writable_bytes(into));
  }
  if (memory_) std::copy_n(memory_->begin() + first, count, into.begin());
}

std::vector<std::uint32_t> SampleBegins::all() const {
  std::vector<std::uint32_t> begins(static_cast<std::size_t>(size_));
  read(0, begins);
  return begins;
}

}  // namespace cloob
