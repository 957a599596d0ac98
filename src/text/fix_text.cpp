#include "text/fix_text.h"

#include <algorithm>
#include <array>
#include <utility>

#include "text/html.h"
#include "text/mojibake.h"
#include "text/unicode.h"

namespace cloob {
namespace {

constexpr char32_t kEscape = 0x1B;

std::u32string_view latin_ligature(char32_t c) {
  // The Afrikaans digraph U+0149 contains U+02BC, which uncurling turns into an ASCII apostrophe.
  static constexpr std::array<std::pair<char32_t, std::u32string_view>, 22> kLigatures = {
      {{0x132, U"IJ"},       {0x133, U"ij"},  {0x149, U"'n"},  {0x1C4, U"D\u017D"}, {0x1C5, U"D\u017E"},
       {0x1C6, U"d\u017E"},  {0x1C7, U"LJ"},  {0x1C8, U"Lj"},  {0x1C9, U"lj"},      {0x1CA, U"NJ"},
       {0x1CB, U"Nj"},       {0x1CC, U"nj"},  {0x1F1, U"DZ"},  {0x1F2, U"Dz"},      {0x1F3, U"dz"},
       {0xFB00, U"ff"},      {0xFB01, U"fi"}, {0xFB02, U"fl"}, {0xFB03, U"ffi"},    {0xFB04, U"ffl"},
       {0xFB05, U"\u017Ft"}, {0xFB06, U"st"}}};
  const auto found = std::ranges::find(kLigatures, c, &std::pair<char32_t, std::u32string_view>::first);
  return found != kLigatures.end() ? found->second : std::u32string_view();
}

bool is_width_variant(char32_t c) { return c == 0x3000 || (c >= 0xFF01 && c <= 0xFFEF); }

char32_t uncurl(char32_t c) {
  if (c == 0x2BC || (c >= 0x2018 && c <= 0x201B)) return U'\'';
  if (c >= 0x201C && c <= 0x201F) return U'"';
  return c;
}

std::u32string replace_characters(std::u32string_view text) {
  std::u32string result;
  result.reserve(text.size());
  for (const char32_t original : text) {
    const char32_t c = windows_1252_for_control(original);
    if (c < 0x100) {
      result += c;
    } else if (const std::u32string_view letters = latin_ligature(c); !letters.empty()) {
      result += letters;
    } else if (is_width_variant(c)) {
      result += normalize_nfkc({&c, 1});
    } else {
      result += uncurl(c);
    }
  }
  return result;
}

std::u32string unify_line_breaks(std::u32string_view text) {
  std::u32string result;
  result.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char32_t c = text[i];
    if (c == U'\r' && i + 1 < text.size() && text[i + 1] == U'\n') continue;
    result += c == U'\r' || c == 0x2028 || c == 0x2029 ? U'\n' : c;
  }
  return result;
}

// Length of an escape sequence such as ESC [ 3 6 ; 4 4 m at the start of the text, 0 when there is none.
std::size_t terminal_escape_length(std::u32string_view text) {
  if (text.size() < 2 || text[0] != kEscape || text[1] != U'[') return 0;
  std::size_t end = 2;
  while (end < text.size() && (text[end] == U';' || is_decimal_digit(text[end]))) ++end;
  if (end == text.size()) return 0;
  const char32_t last = text[end] | 0x20;
  return last >= U'a' && last <= U'z' ? end + 1 : 0;
}

std::u32string remove_terminal_escapes(std::u32string_view text) {
  std::u32string result;
  result.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = terminal_escape_length(text);
    if (length == 0) result += text[0];
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return result;
}

bool is_unwanted_control(char32_t c) {
  return c < 0x09 || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F || (c >= 0x206A && c <= 0x206F) ||
         c == 0xFEFF || (c >= 0xFFF9 && c <= 0xFFFC);
}

std::u32string fix_segment(std::u32string_view segment, bool unescape, PassBudget& budget) {
  std::u32string text(segment);
  while (budget.spend(text.size())) {
    std::u32string fixed = fix_encoding(unescape ? unescape_unambiguous_html(text) : text, budget);
    fixed = remove_terminal_escapes(unify_line_breaks(replace_characters(fixed)));
    std::erase_if(fixed, is_unwanted_control);
    fixed = normalize_nfc(fixed);
    if (fixed == text) break;
    text = std::move(fixed);
  }
  return text;
}

}  // namespace

std::u32string fix_text(std::u32string_view text) {
  constexpr std::size_t kMaxSegment = 1'000'000;
  PassBudget budget(text.size());
  std::u32string fixed;
  bool unescape = true;
  while (!text.empty()) {
    const std::size_t line_break = text.find(U'\n');
    const std::size_t line_length = line_break == std::u32string_view::npos ? text.size() : line_break + 1;
    const std::u32string_view segment = text.substr(0, std::min(line_length, kMaxSegment));
    // A '<' indicates HTML, in which references are intended; ftfy then also keeps those of all later lines.
    if (segment.find(U'<') != std::u32string_view::npos) unescape = false;
    fixed += fix_segment(segment, unescape, budget);
    text.remove_prefix(segment.size());
  }
  return fixed;
}

}  // namespace cloob
