#include "text/clean.h"

#include <algorithm>

#include "cloob/text/clean.h"
#include "text/fix_text.h"
#include "text/html.h"
#include "text/unicode.h"

namespace cloob {
namespace {

bool is_ascii_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r'; }

template <class Character, class IsSpace>
std::basic_string<Character> collapse(std::basic_string_view<Character> text, IsSpace is_whitespace) {
  std::basic_string<Character> result;
  result.reserve(text.size());
  bool word_ended = false;
  for (const Character c : text) {
    if (is_whitespace(c)) {
      word_ended = true;
      continue;
    }
    if (word_ended && !result.empty()) result += Character{' '};
    word_ended = false;
    result += c;
  }
  return result;
}

}  // namespace

bool is_plain_ascii(std::string_view caption) {
  return std::ranges::all_of(caption,
                             [](char c) { return (c >= ' ' && c <= '~' && c != '&') || is_ascii_space(c); });
}

std::string clean_ascii_caption(std::string_view caption) {
  std::string text = collapse(caption, is_ascii_space);
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  }
  return text;
}

std::string clean_any_caption(std::string_view caption) {
  const std::u32string text = unescape_html(unescape_html(fix_text(decode_utf8(caption))));
  return encode_utf8(to_lower(collapse<char32_t>(text, is_space)));
}

std::string clean_caption(std::string_view caption) {
  return is_plain_ascii(caption) ? clean_ascii_caption(caption) : clean_any_caption(caption);
}

std::string collapse_whitespace(std::string_view text) {
  return encode_utf8(collapse<char32_t>(decode_utf8(text), is_space));
}

}  // namespace cloob
