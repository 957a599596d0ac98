#include "text/split.h"

#include <array>

#include "text/unicode.h"

namespace cloob {
namespace {

// In no class of CLIP's pattern, so it separates pieces: it is not a letter, but its upper-case form is.
constexpr char32_t kCombiningIota = 0x345;

enum class Kind { separator, letter, number, other };

Kind kind_of(char32_t c) {
  if (c < 0x80) {
    if (c >= U'a' && c <= U'z') return Kind::letter;
    if (c == U' ') return Kind::separator;
    if (c >= U'0' && c <= U'9') return Kind::number;
    return c >= U'A' && c <= U'Z' ? Kind::letter : Kind::other;
  }
  if (is_letter(c)) return Kind::letter;
  if (is_number(c)) return Kind::number;
  return c == kCombiningIota ? Kind::separator : Kind::other;
}

// Length of `pattern` at the start of the text, where a long s matches any s; 0 when it does not match.
std::size_t match(std::string_view text, std::string_view pattern) {
  constexpr std::string_view kLongS = "\xC5\xBF";
  std::size_t position = 0;
  for (const char expected : pattern) {
    if (expected == 's' && text.substr(position).starts_with(kLongS)) {
      position += kLongS.size();
    } else if (position < text.size() && text[position] == expected) {
      ++position;
    } else {
      return 0;
    }
  }
  return position;
}

std::size_t fixed_piece_length(std::string_view text) {
  static constexpr std::array<std::string_view, 9> kFixed = {kStartOfText, kEndOfText, "'s",  "'t", "'re",
                                                             "'ve",        "'m",       "'ll", "'d"};
  if (text[0] != '<' && text[0] != '\'') return 0;
  for (const std::string_view pattern : kFixed) {
    if (const std::size_t length = match(text, pattern)) return length;
  }
  return 0;
}

}  // namespace

std::string_view next_piece(std::string_view caption, std::size_t& position) {
  Kind kind = Kind::separator;
  std::size_t begin = position;
  while (kind == Kind::separator) {
    begin = position;
    if (begin == caption.size()) return {};
    if (const std::size_t length = fixed_piece_length(caption.substr(begin))) {
      position += length;
      return caption.substr(begin, length);
    }
    kind = kind_of(next_code_point(caption, position));
  }
  while (kind != Kind::number && position < caption.size()) {
    std::size_t next = position;
    if (kind_of(next_code_point(caption, next)) != kind) break;
    position = next;
  }
  return caption.substr(begin, position - begin);
}

}  // namespace cloob
