#include "checkpoint/digest.h"

#include <ATen/Parallel.h>
#include <ATen/ceil_div.h>
#include <zlib.h>

#include <algorithm>
#include <vector>

#include "cloob/base/files.h"

namespace cloob {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{4} << 20;

std::uint32_t crc32_of(std::span<const std::byte> piece) {
  return static_cast<std::uint32_t>(
      crc32_z(0, reinterpret_cast<const unsigned char*>(piece.data()), piece.size()));
}

}  // namespace

void FileDigest::update(std::span<const std::byte> piece) {
  const std::size_t num_parts = at::ceil_div(piece.size(), kPieceBytes);
  const auto part = [&](std::size_t i) {
    return piece.subspan(i * kPieceBytes, std::min(kPieceBytes, piece.size() - i * kPieceBytes));
  };
  std::vector<std::uint32_t> sums(num_parts);
  at::parallel_for(0, static_cast<std::int64_t>(num_parts), 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i)
      sums[i] = crc32_of(part(i));
  });
  for (std::size_t i = 0; i < num_parts; ++i) {
    crc32 = static_cast<std::uint32_t>(crc32_combine(crc32, sums[i], static_cast<z_off_t>(part(i).size())));
  }
  bytes += piece.size();
}

FileDigest digest_file(const std::filesystem::path& path) {
  const RandomAccessFile file(path);
  std::vector<std::byte> buffer(4 * kPieceBytes);
  FileDigest digest;
  while (digest.bytes < file.size()) {
    const auto piece =
        std::span(buffer).first(std::min<std::uint64_t>(buffer.size(), file.size() - digest.bytes));
    file.read(digest.bytes, piece);
    digest.update(piece);
  }
  return digest;
}

}  // namespace cloob
