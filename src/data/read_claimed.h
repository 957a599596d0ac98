#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace cloob {

/// The `claimed` bytes that a header says there are; fewer if `read` returns 0 before. `read` fills a span from its
/// beginning and returns how much of it. The header may be wrong, so memory grows with what has arrived.
template <class Read>
std::vector<std::byte> read_claimed(std::uint64_t claimed, const Read& read) {
  constexpr std::size_t kFirst = std::size_t{1} << 20;
  std::vector<std::byte> bytes;
  while (bytes.size() < claimed) {
    const std::size_t have = bytes.size();
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(claimed, std::max(kFirst, 2 * have)));
    bytes.reserve(size);  // exactly; resize alone may double
    bytes.resize(size);
    const std::size_t count = read(std::span(bytes).subspan(have));
    bytes.resize(have + count);
    if (count == 0) break;
  }
  return bytes;
}

}  // namespace cloob
