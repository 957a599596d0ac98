#include "cloob/base/first_bytes.h"

#include <algorithm>
#include <cstdint>
#include <span>

namespace cloob {

std::string first_bytes_of(const RandomAccessFile& file, std::size_t count) {
  std::string bytes(static_cast<std::size_t>(std::min<std::uint64_t>(file.size(), count)), '\0');
  file.read(0, std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

std::string first_bytes_of(const std::filesystem::path& path, std::size_t count) {
  return first_bytes_of(RandomAccessFile(path), count);
}

}  // namespace cloob
