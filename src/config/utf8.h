#pragma once

#include <cstddef>
#include <string_view>

namespace cloob {

struct Utf8Character {
  char32_t code = 0;
  std::size_t length = 0;  // in bytes; 0 when they are not UTF-8
};

/// The first character of a text that is not empty.
Utf8Character decode_utf8(std::string_view text);

/// Bytes before the first one that is not UTF-8: the whole size when all of it is.
std::size_t valid_utf8_length(std::string_view text);

}  // namespace cloob
