#include "cloob/base/message.h"

#include <fmt/core.h>

#include <algorithm>

#include "cloob/base/text.h"

namespace cloob {
namespace {

bool is_inside_character(std::string_view text, std::size_t place) {
  return place < text.size() && (static_cast<unsigned char>(text[place]) & 0xC0U) == 0x80U;
}

// Cuts out the middle: what happened stands at the beginning of a line, and what to do at its end.
std::string short_line(std::string_view line) {
  constexpr std::size_t kHead = 1400, kTail = 500;
  static_assert(kHead + kTail + 60 < kMaxMessageLine);
  if (line.size() <= kMaxMessageLine) return std::string(line);
  constexpr int kMaxContinuation = 3;  // bytes of a character after its first; more are not UTF-8
  std::size_t head = kHead, tail = line.size() - kTail;
  for (int i = 0; i < kMaxContinuation && is_inside_character(line, head); ++i) --head;
  for (int i = 0; i < kMaxContinuation && is_inside_character(line, tail); ++i) ++tail;
  return fmt::format("{} [... {} bytes left out ...] {}", line.substr(0, head),
                     with_thousands(static_cast<std::int64_t>(tail - head)), line.substr(tail));
}

}  // namespace

std::string presentable(std::string_view message) {
  std::string shown;
  shown.reserve(std::min(message.size(), kMaxMessageLine));
  std::size_t num_lines = 0;
  for (std::size_t begin = 0;;) {
    const std::size_t end = std::min(message.find('\n', begin), message.size());
    const std::string_view line = message.substr(begin, end - begin);
    if (line.find('\0') == std::string_view::npos) {
      shown += short_line(line);
    } else {
      std::string escaped;
      for (const char c : line) escaped += c == '\0' ? std::string_view("\\0") : std::string_view(&c, 1);
      shown += short_line(escaped);
    }
    if (end == message.size()) return shown;
    shown += '\n';
    begin = end + 1;
    if (++num_lines < kMaxMessageLines || begin == message.size()) continue;
    const auto more = 1 + std::ranges::count(message.substr(begin), '\n') - (message.ends_with('\n') ? 1 : 0);
    if (more == 1) continue;  // a mark would take as much space
    return shown + fmt::format("[... {} lines left out ...]", with_thousands(more));
  }
}

}  // namespace cloob
