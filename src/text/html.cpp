#include "text/html.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

#include "text/html_entities.h"
#include "text/unicode.h"

namespace cloob {
namespace {

bool is_ascii_digit(char32_t c) { return c >= U'0' && c <= U'9'; }
bool is_hex_digit(char32_t c) {
  return is_ascii_digit(c) || (c >= U'a' && c <= U'f') || (c >= U'A' && c <= U'F');
}
bool is_ascii_alphanumeric(char32_t c) {
  return is_ascii_digit(c) || (c >= U'a' && c <= U'z') || (c >= U'A' && c <= U'Z');
}

// A reference at the start of a text: its replacement and its length in characters.
struct Reference {
  std::u32string text;
  std::size_t length = 0;
};

std::u32string character_for_number(std::uint32_t number) {
  if (number == 0 || number > 0x10FFFF || (number >= 0xD800 && number <= 0xDFFF))
    return {kReplacementCharacter};
  if (number == '\r') return U"\r";
  const char32_t mapped = windows_1252_for_control(number);
  if (mapped != number) return {mapped};
  // The five undefined codes of Windows-1252 are kept; other control characters, except whitespace, and
  // noncharacters are removed.
  if (number >= 0x80 && number <= 0x9F) return {number};
  const bool is_control =
      (number < 0x20 && number != '\t' && number != '\n' && number != '\f') || number == 0x7F;
  const bool is_noncharacter = (number >= 0xFDD0 && number <= 0xFDEF) || (number & 0xFFFE) == 0xFFFE;
  if (is_control || is_noncharacter) return {};
  return {number};
}

// "&#65", "&#x41;", from the ampersand on.
std::optional<Reference> numeric_reference(std::u32string_view text) {
  constexpr std::uint32_t kTooLarge = 0x110000;
  std::size_t end = 2;
  const bool is_hex = end < text.size() && (text[end] == U'x' || text[end] == U'X');
  if (is_hex) ++end;
  const std::size_t first_digit = end;
  std::uint32_t number = 0;
  for (; end < text.size() && (is_hex ? is_hex_digit(text[end]) : is_ascii_digit(text[end])); ++end) {
    const std::uint32_t digit = is_ascii_digit(text[end]) ? text[end] - U'0' : (text[end] | 0x20) - U'a' + 10;
    number = std::min(number * (is_hex ? 16 : 10) + digit, kTooLarge);
  }
  if (end == first_digit) return std::nullopt;
  if (end < text.size() && text[end] == U';') ++end;
  return Reference{character_for_number(number), end};
}

// The longest run of ASCII letters and digits after the ampersand, with the semicolon that follows it.
std::string entity_name(std::u32string_view text, std::size_t max_size) {
  std::string name;
  for (std::size_t i = 1; i < text.size() && name.size() < max_size && is_ascii_alphanumeric(text[i]); ++i) {
    name += static_cast<char>(text[i]);
  }
  if (name.size() + 1 < text.size() && text[name.size() + 1] == U';') name += ';';
  return name;
}

std::optional<Reference> named_reference(std::u32string_view text) {
  std::string name = entity_name(text, 32);
  // The longest matching name, down to two letters as in "lt".
  for (; name.size() >= 2; name.pop_back()) {
    if (const HtmlEntity* entity = find_html_entity(name)) {
      return Reference{std::u32string(entity->text), name.size() + 1};
    }
  }
  return std::nullopt;
}

std::optional<Reference> html_reference(std::u32string_view text) {
  return text.size() > 1 && text[1] == U'#' ? numeric_reference(text) : named_reference(text);
}

std::optional<Reference> unambiguous_reference(std::u32string_view text) {
  constexpr std::size_t kMaxName = 24;  // between the ampersand, or "&#", and the semicolon
  if (text.size() > 1 && text[1] == U'#') {
    const auto reference = numeric_reference(text);
    const bool ends_in_semicolon = reference && text[reference->length - 1] == U';';
    // A reference to a semicolon is kept, as in ftfy, which treats it as an incomplete match.
    if (!ends_in_semicolon || reference->length > kMaxName + 3 || reference->text == U";")
      return std::nullopt;
    return reference;
  }
  const std::string name = entity_name(text, kMaxName);
  if (!name.ends_with(';')) return std::nullopt;
  const HtmlEntity* entity = find_html_entity(name);
  if (entity == nullptr) entity = find_shouted_html_entity(name);
  if (entity == nullptr) return std::nullopt;
  return Reference{std::u32string(entity->text), name.size() + 1};
}

template <class Find>
std::u32string replace_references(std::u32string_view text, Find find_reference) {
  std::u32string result;
  result.reserve(text.size());
  while (!text.empty()) {
    const std::size_t plain = std::min(text.find(U'&'), text.size());
    result += text.substr(0, plain);
    text.remove_prefix(plain);
    if (text.empty()) break;
    if (const std::optional<Reference> reference = find_reference(text)) {
      result += reference->text;
      text.remove_prefix(reference->length);
    } else {
      result += U'&';
      text.remove_prefix(1);
    }
  }
  return result;
}

}  // namespace

char32_t windows_1252_for_control(char32_t code_point) {
  static constexpr std::array<char32_t, 32> kTable = {
      0x20AC, 0x81,   0x201A, 0x192,  0x201E, 0x2026, 0x2020, 0x2021, 0x2C6,  0x2030, 0x160,
      0x2039, 0x152,  0x8D,   0x17D,  0x8F,   0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
      0x2013, 0x2014, 0x2DC,  0x2122, 0x161,  0x203A, 0x153,  0x9D,   0x17E,  0x178};
  return code_point >= 0x80 && code_point < 0x80 + kTable.size() ? kTable[code_point - 0x80] : code_point;
}

std::u32string unescape_html(std::u32string_view text) { return replace_references(text, html_reference); }

std::u32string unescape_unambiguous_html(std::u32string_view text) {
  return replace_references(text, unambiguous_reference);
}

}  // namespace cloob
