#pragma once

#include <fmt/core.h>

#include <string>
#include <string_view>

namespace cloob {

/// A name found in a file, quoted for a one-line message: control characters become '?', and names of more
/// than 120 bytes are truncated.
inline std::string in_quotes(std::string_view name) {
  constexpr std::size_t kMaxBytes = 120;
  std::string text(name.substr(0, kMaxBytes));
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return fmt::format("'{}{}'", text, name.size() > kMaxBytes ? "..." : "");
}

}  // namespace cloob
