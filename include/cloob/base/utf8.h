// Checking and walking UTF-8. Text that users and data sets give is not always valid.
#pragma once

#include <cstddef>
#include <string_view>

namespace cloob {

struct Utf8Character {
  char32_t code = 0;
  std::size_t length = 0;  // in bytes; 0 when the bytes are not UTF-8
};

/// Decodes the first character of a non-empty text.
Utf8Character decode_character(std::string_view text);

/// Length of the valid UTF-8 prefix: the full size when all of the text is valid.
std::size_t valid_utf8_length(std::string_view text);
inline bool is_valid_utf8(std::string_view text) { return valid_utf8_length(text) == text.size(); }

/// The text without the byte order mark that Windows programs write in front of it.
std::string_view without_byte_order_mark(std::string_view text);

}  // namespace cloob
