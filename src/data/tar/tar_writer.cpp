#include "cloob/data/tar/tar_writer.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>

#include "cloob/base/error.h"
#include "data/tar/tar_scanner.h"

namespace cloob {
namespace {

using Block = std::array<char, kTarBlock>;

void put(Block& block, std::size_t offset, std::string_view text) {
  std::copy(text.begin(), text.end(), block.begin() + static_cast<std::ptrdiff_t>(offset));
}

// A long name is split at a slash: the part before it goes into the prefix field.
void put_name(Block& block, std::string_view name) {
  constexpr std::size_t kNameBytes = 100, kPrefixBytes = 155, kPrefixOffset = 345;
  if (name.size() <= kNameBytes) return put(block, 0, name);
  const std::size_t slash = name.find('/', name.size() - kNameBytes - 1);
  if (slash == std::string_view::npos || slash > kPrefixBytes || slash + 1 == name.size()) {
    throw_user_error("the name '{}' is too long for a tar file: at most 100 bytes after the last folder",
                     name);
  }
  put(block, 0, name.substr(slash + 1));
  put(block, kPrefixOffset, name.substr(0, slash));
}

Block make_header(std::string_view name, std::uint64_t size) {
  constexpr std::uint64_t kMaxBytes = std::uint64_t{1} << 33;  // eleven octal digits
  CLOOB_CHECK(!name.empty() && size < kMaxBytes, "member '{}' of {} bytes", name, size);
  Block block{};
  put_name(block, name);
  put(block, 100, "0000644");
  put(block, 108, "0000000");
  put(block, 116, "0000000");
  put(block, 124, fmt::format("{:011o}", size));
  put(block, 136, "00000000000");
  put(block, 148, "        ");
  block[156] = '0';
  put(block, 257,
      std::string_view("ustar\0"
                       "00",
                       8));
  unsigned sum = 0;
  for (const char c : block) sum += static_cast<unsigned char>(c);
  put(block, 148, fmt::format("{:06o}", sum));
  block[154] = '\0';
  return block;
}

}  // namespace

void TarWriter::add(std::string_view name, std::span<const std::byte> content) {
  const Block header = make_header(name, content.size());
  OutputFile& file = file_.file();
  file.write(std::string_view(header.data(), header.size()));
  file.write(content);
  const std::size_t rest = content.size() % kTarBlock;
  if (rest > 0) file.write(std::string(kTarBlock - rest, '\0'));
}

void TarWriter::add(std::string_view name, std::string_view content) {
  add(name, std::as_bytes(std::span(content.data(), content.size())));
}

void TarWriter::finish() {
  file_.file().write(std::string(2 * kTarBlock, '\0'));
  file_.publish();
}

}  // namespace cloob
