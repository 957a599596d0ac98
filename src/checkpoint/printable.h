#pragma once

#include <fmt/core.h>

#include <string>
#include <string_view>

namespace cloob {

/// A name found in a file, in quotes and fit for one line of a message: control characters become '?', and
/// what is longer than 120 bytes is cut.
inline std::string in_quotes(std::string_view name) {
  constexpr std::size_t kLongest = 120;
  std::string text(name.substr(0, kLongest));
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return fmt::format("'{}{}'", text, name.size() > kLongest ? "..." : "");
}

}  // namespace cloob
