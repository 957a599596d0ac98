#include "text/mojibake_bytes.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <vector>

#include "text/unicode.h"

namespace cloob {
namespace {

using Byte = unsigned char;

constexpr Byte kLost = 0x1A;
constexpr Byte kNoBreakSpace = 0xA0;

Byte byte_at(std::string_view bytes, std::size_t i) { return static_cast<Byte>(bytes[i]); }
bool is_in(Byte byte, Byte first, Byte last) { return byte >= first && byte <= last; }
bool is_continuation(Byte byte) { return is_in(byte, 0x80, 0xBF); }

// The length of "\xC0\x80", or 0. Python's `$` also matches before a line break at the end, so that ftfy
// reads "\xC0\n" there in the same way.
std::size_t java_null_length(std::string_view bytes) {
  return bytes.starts_with("\xC0\x80") || bytes == "\xC0\n" ? 2 : 0;
}

// The length of two surrogates of three bytes each, or 0. As above, a line break at the end of the text
// counts as the last byte.
std::size_t surrogate_pair_length(std::string_view bytes) {
  constexpr std::size_t kLength = 6;
  if (bytes.size() < kLength) return 0;
  const bool is_pair = byte_at(bytes, 0) == 0xED && is_in(byte_at(bytes, 1), 0xA0, 0xAF) &&
                       is_continuation(byte_at(bytes, 2)) && byte_at(bytes, 3) == 0xED &&
                       is_in(byte_at(bytes, 4), 0xB0, 0xBF);
  const bool is_complete =
      is_continuation(byte_at(bytes, 5)) || (bytes.size() == kLength && bytes[5] == '\n');
  return is_pair && is_complete ? kLength : 0;
}

char32_t combine_surrogates(std::string_view bytes) {
  const auto bits = [&](std::size_t i, Byte mask) { return static_cast<char32_t>(byte_at(bytes, i) & mask); };
  return (bits(1, 0x0F) << 16) + (bits(2, 0x3F) << 10) + (bits(4, 0x0F) << 6) + bits(5, 0x3F) + 0x10000;
}

// Appends the code point at the position and advances past it; false if it is malformed.
bool decode_one(std::string_view bytes, std::size_t& position, std::u32string& text) {
  const std::string_view rest = bytes.substr(position);
  if (const std::size_t length = java_null_length(rest); length > 0) {
    text += U'\0';
    position += length;
    return true;
  }
  if (const std::size_t length = surrogate_pair_length(rest); length > 0) {
    text += combine_surrogates(rest);
    position += length;
    return true;
  }
  text += next_code_point(bytes, position);
  return text.back() != kReplacementCharacter || rest.starts_with("\xEF\xBF\xBD");
}

// Copies the bytes, except where `match` gives a length other than 0: those bytes go to `replace`.
template <class Match, class Replace>
std::string substitute(std::string_view bytes, Match match, Replace replace) {
  std::string result;
  result.reserve(bytes.size());
  std::size_t copied = 0;
  for (std::size_t i = 0; i < bytes.size();) {
    const std::size_t length = match(bytes.substr(i));
    if (length > 0) {
      result += bytes.substr(copied, i - copied);
      replace(bytes.substr(i, length), result);
      copied = i + length;
    }
    i += std::max<std::size_t>(length, 1);
  }
  return result += bytes.substr(copied);
}

// A_GRAVE_WORD_RE in ftfy/fixes.py: "\xC3 ", except before Portuguese words that begin with that letter.
std::size_t grave_word_length(std::string_view bytes) {
  if (!bytes.starts_with("\xC3 ")) return 0;
  constexpr std::array<std::string_view, 5> kExceptions = {" ", "quele", "quela", "quilo", "s "};
  const std::string_view rest = bytes.substr(2);
  const bool is_exception =
      std::ranges::any_of(kExceptions, [&](std::string_view word) { return rest.starts_with(word); });
  return is_exception ? 0 : 2;
}

// Continuation bytes that may be next to a restored one in a sequence of three bytes.
bool is_plain_continuation(Byte byte) {
  return is_continuation(byte) && byte != 0x85 && byte != kNoBreakSpace;
}

// ALTERED_UTF8_RE in ftfy/chardata.py: the length of a sequence with one space in place of the byte 0xA0, or
// 0.
std::size_t altered_sequence_length(std::string_view bytes) {
  const Byte first = byte_at(bytes, 0);
  if (first < 0xC2) return 0;
  constexpr std::string_view kFirstOfTwo = "\xC2\xC3\xC5\xCE\xD0\xD9";
  if (bytes.size() >= 2 && bytes[1] == ' ' && kFirstOfTwo.find(bytes[0]) != std::string_view::npos) return 2;
  if (bytes.size() >= 3 && is_in(first, 0xE0, 0xE3)) {
    const Byte second = byte_at(bytes, 1), third = byte_at(bytes, 2);
    if (first >= 0xE2 && second == ' ' && is_plain_continuation(third)) return 3;
    if (is_plain_continuation(second) && third == ' ') return 3;
  }
  if (bytes.size() >= 4 && first == 0xF0) {
    const std::string_view rest = bytes.substr(1, 3);
    const auto is_valid = [](char c) { return c == ' ' || is_continuation(static_cast<Byte>(c)); };
    if (std::ranges::count(rest, ' ') == 1 && std::ranges::all_of(rest, is_valid)) return 4;
  }
  return 0;
}

// What a byte of a lossy sequence may be.
enum class Place { ed, high, low, lost, marked, kept, kept_or_marked };

bool may_be(Byte byte, Place place) {
  const bool is_lost = byte == kLost, is_marked = is_lost || byte == '?';
  switch (place) {
    case Place::ed:
      return byte == 0xED;
    case Place::high:
      return is_in(byte, 0xA0, 0xAF);
    case Place::low:
      return is_in(byte, 0xB0, 0xBF);
    case Place::lost:
      return is_lost;
    case Place::marked:
      return is_marked;
    case Place::kept:
      return is_lost || is_continuation(byte);
    case Place::kept_or_marked:
      return is_marked || is_continuation(byte);
  }
  return false;
}

// A first byte in a range and the bytes after it.
struct LossyPattern {
  Byte low;
  Byte high;
  std::vector<Place> rest;
};

// LOSSY_UTF8_RE in ftfy/chardata.py: the length of the first alternative that matches, or 0.
std::size_t lossy_sequence_length(std::string_view bytes) {
  using enum Place;
  static const std::vector<LossyPattern> patterns = {
      {0xC2, 0xDF, {lost}},
      {0xC2, 0xC3, {marked}},
      {0xED, 0xED, {high, marked, ed, low, kept_or_marked}},
      {0xED, 0xED, {high, kept_or_marked, ed, low, marked}},
      {0xE0, 0xEF, {marked, kept}},
      {0xE0, 0xEF, {kept, marked}},
      {0xF0, 0xF4, {marked, kept, kept}},
      {0xF0, 0xF4, {kept, marked, kept}},
      {0xF0, 0xF4, {kept, kept, marked}},
      {kLost, kLost, {}},
  };
  const Byte first = byte_at(bytes, 0);
  if (first < 0xC2 && first != kLost) return 0;
  for (const LossyPattern& pattern : patterns) {
    if (!is_in(first, pattern.low, pattern.high)) continue;
    const std::string_view rest = bytes.substr(1);
    const bool matches = rest.size() >= pattern.rest.size() &&
                         std::equal(pattern.rest.begin(), pattern.rest.end(), rest.begin(),
                                    [](Place place, char c) { return may_be(static_cast<Byte>(c), place); });
    if (matches) return pattern.rest.size() + 1;
  }
  return 0;
}

}  // namespace

std::optional<std::u32string> decode_utf8_variants(std::string_view bytes) {
  std::u32string text;
  text.reserve(bytes.size());
  for (std::size_t position = 0; position < bytes.size();) {
    if (!decode_one(bytes, position, text)) return std::nullopt;
  }
  return text;
}

std::string restore_no_break_bytes(std::string_view bytes) {
  const std::string words = substitute(bytes, grave_word_length,
                                       [](std::string_view, std::string& result) { result += "\xC3\xA0 "; });
  return substitute(words, altered_sequence_length, [](std::string_view sequence, std::string& result) {
    for (const char c : sequence) result += c == ' ' ? static_cast<char>(kNoBreakSpace) : c;
  });
}

std::string replace_lossy_sequences(std::string_view bytes) {
  return substitute(bytes, lossy_sequence_length, [](std::string_view, std::string& result) {
    append_utf8(kReplacementCharacter, result);
  });
}

}  // namespace cloob
