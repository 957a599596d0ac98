// Code points and their properties, as defined by Python's str and the regex module.
//
// Categories, lower case and normalisation come from utf8proc, so they follow the Unicode version that
// utf8proc was built with (15.0 for 2.8, the version in Debian 12). For every character of that version the
// results equal those of Python 3.11 and of regex 2026.11; characters added later count as neither letter nor
// number.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace cloob {

inline constexpr char32_t kReplacementCharacter = 0xFFFD;

/// Decodes the code point at `position` and advances past it. Malformed bytes give U+FFFD, one for every
/// maximal subpart of a sequence, like Python's bytes.decode(errors="replace"); encoded surrogates are
/// malformed.
char32_t next_code_point(std::string_view utf8, std::size_t& position);
std::u32string decode_utf8(std::string_view utf8);

void append_utf8(char32_t code_point, std::string& utf8);
std::string encode_utf8(std::u32string_view text);

/// General categories L, N and Nd, which \p{L}, \p{N} and \d match.
bool is_letter(char32_t code_point);
bool is_number(char32_t code_point);
bool is_decimal_digit(char32_t code_point);
/// Whitespace as defined by str.isspace and str.split.
bool is_space(char32_t code_point);

/// str.lower(): a capital sigma at the end of a word becomes a final sigma, and a dotted capital I becomes
/// two characters.
std::u32string to_lower(std::u32string_view text);

std::u32string normalize_nfc(std::u32string_view text);
std::u32string normalize_nfkc(std::u32string_view text);

}  // namespace cloob
