#include "text/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <utility>

#include "cloob/base/error.h"

namespace cloob {
namespace {

struct SequenceRule {
  int continuation_bytes = -1;  // -1: no sequence begins with this byte
  // Bounds of the second byte; they exclude overlong forms, surrogates and code points above U+10FFFF.
  unsigned char second_low = 0x80;
  unsigned char second_high = 0xBF;
};

SequenceRule sequence_rule(unsigned char lead) {
  if (lead < 0x80) return {0};
  if (lead < 0xC2) return {};
  if (lead < 0xE0) return {1};
  if (lead < 0xF0) {
    if (lead == 0xE0) return {2, 0xA0, 0xBF};
    if (lead == 0xED) return {2, 0x80, 0x9F};
    return {2};
  }
  if (lead == 0xF0) return {3, 0x90, 0xBF};
  if (lead < 0xF4) return {3};
  if (lead == 0xF4) return {3, 0x80, 0x8F};
  return {};
}

utf8proc_category_t category(char32_t code_point) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(code_point));
}

using CodePointRange = std::pair<char32_t, char32_t>;

template <std::size_t N>
bool is_in(const std::array<CodePointRange, N>& ranges, char32_t code_point) {
  return std::ranges::any_of(ranges, [&](const CodePointRange& range) {
    return code_point >= range.first && code_point <= range.second;
  });
}

// Unicode's derived property Case_Ignorable: some categories, and the word-break classes MidLetter, MidNumLet
// and Single_Quote.
bool is_case_ignorable(char32_t code_point) {
  static constexpr std::array<CodePointRange, 16> kWordBreak = {{{0x27, 0x27},
                                                                 {0x2E, 0x2E},
                                                                 {0x3A, 0x3A},
                                                                 {0xB7, 0xB7},
                                                                 {0x387, 0x387},
                                                                 {0x55F, 0x55F},
                                                                 {0x5F4, 0x5F4},
                                                                 {0x2018, 0x2019},
                                                                 {0x2024, 0x2024},
                                                                 {0x2027, 0x2027},
                                                                 {0xFE13, 0xFE13},
                                                                 {0xFE52, 0xFE52},
                                                                 {0xFE55, 0xFE55},
                                                                 {0xFF07, 0xFF07},
                                                                 {0xFF0E, 0xFF0E},
                                                                 {0xFF1A, 0xFF1A}}};
  switch (category(code_point)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK:
      return true;
    default:
      return is_in(kWordBreak, code_point);
  }
}

// Unicode's derived property Cased, for characters that are not case-ignorable.
bool is_cased(char32_t code_point) {
  static constexpr std::array<CodePointRange, 7> kOther = {{{0xAA, 0xAA},
                                                            {0xBA, 0xBA},
                                                            {0x2160, 0x217F},
                                                            {0x24B6, 0x24E9},
                                                            {0x1F130, 0x1F149},
                                                            {0x1F150, 0x1F169},
                                                            {0x1F170, 0x1F189}}};
  switch (category(code_point)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
      return true;
    default:
      return is_in(kOther, code_point);
  }
}

// Whether the sigma at `position` ends a word: a cased letter precedes it and none follows it.
bool is_final_sigma(std::u32string_view text, std::size_t position) {
  const std::u32string_view before = text.substr(0, position);
  const auto previous = std::find_if_not(before.rbegin(), before.rend(), is_case_ignorable);
  if (previous == before.rend() || !is_cased(*previous)) return false;
  const std::u32string_view after = text.substr(position + 1);
  const auto next = std::find_if_not(after.begin(), after.end(), is_case_ignorable);
  return next == after.end() || !is_cased(*next);
}

std::u32string normalize(std::u32string_view text, int options) {
  const std::string utf8 = encode_utf8(text);
  utf8proc_uint8_t* result = nullptr;
  const utf8proc_ssize_t size = utf8proc_map(
      reinterpret_cast<const utf8proc_uint8_t*>(utf8.data()), static_cast<utf8proc_ssize_t>(utf8.size()),
      &result, static_cast<utf8proc_option_t>(options | UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(result, &std::free);
  CLOOB_CHECK(size >= 0, "Unicode normalisation failed: {}", utf8proc_errmsg(size));
  return decode_utf8({reinterpret_cast<const char*>(result), static_cast<std::size_t>(size)});
}

}  // namespace

char32_t next_code_point(std::string_view utf8, std::size_t& position) {
  const auto lead = static_cast<unsigned char>(utf8[position++]);
  if (lead < 0x80) return lead;
  const SequenceRule rule = sequence_rule(lead);
  if (rule.continuation_bytes < 0) return kReplacementCharacter;
  char32_t code_point = lead & (0x3Fu >> rule.continuation_bytes);
  for (int i = 0; i < rule.continuation_bytes; ++i) {
    const auto byte = position < utf8.size() ? static_cast<unsigned char>(utf8[position]) : 0;
    const int low = i == 0 ? rule.second_low : 0x80;
    const int high = i == 0 ? rule.second_high : 0xBF;
    if (byte < low || byte > high) return kReplacementCharacter;
    code_point = (code_point << 6) | (byte & 0x3Fu);
    ++position;
  }
  return code_point;
}

std::u32string decode_utf8(std::string_view utf8) {
  std::u32string text;
  text.reserve(utf8.size());
  for (std::size_t position = 0; position < utf8.size();) text += next_code_point(utf8, position);
  return text;
}

void append_utf8(char32_t code_point, std::string& utf8) {
  std::array<utf8proc_uint8_t, 4> bytes;
  const auto size = utf8proc_encode_char(static_cast<utf8proc_int32_t>(code_point), bytes.data());
  utf8.append(reinterpret_cast<const char*>(bytes.data()), static_cast<std::size_t>(size));
}

std::string encode_utf8(std::u32string_view text) {
  std::string utf8;
  utf8.reserve(text.size());
  for (const char32_t code_point : text) append_utf8(code_point, utf8);
  return utf8;
}

bool is_letter(char32_t code_point) {
  const auto value = category(code_point);
  return value >= UTF8PROC_CATEGORY_LU && value <= UTF8PROC_CATEGORY_LO;
}

bool is_number(char32_t code_point) {
  const auto value = category(code_point);
  return value >= UTF8PROC_CATEGORY_ND && value <= UTF8PROC_CATEGORY_NO;
}

bool is_decimal_digit(char32_t code_point) { return category(code_point) == UTF8PROC_CATEGORY_ND; }

bool is_space(char32_t code_point) {
  static constexpr std::array<CodePointRange, 10> kSpaces = {{{0x9, 0xD},
                                                              {0x1C, 0x20},
                                                              {0x85, 0x85},
                                                              {0xA0, 0xA0},
                                                              {0x1680, 0x1680},
                                                              {0x2000, 0x200A},
                                                              {0x2028, 0x2029},
                                                              {0x202F, 0x202F},
                                                              {0x205F, 0x205F},
                                                              {0x3000, 0x3000}}};
  return is_in(kSpaces, code_point);
}

std::u32string to_lower(std::u32string_view text) {
  constexpr char32_t kDottedCapitalI = 0x130, kCombiningDotAbove = 0x307;
  constexpr char32_t kCapitalSigma = 0x3A3, kFinalSigma = 0x3C2;
  std::u32string lower;
  lower.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char32_t c = text[i];
    if (c == kCapitalSigma && is_final_sigma(text, i)) {
      lower += kFinalSigma;
    } else if (c == kDottedCapitalI) {
      lower += U'i';
      lower += kCombiningDotAbove;
    } else {
      lower += static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c)));
    }
  }
  return lower;
}

std::u32string normalize_nfc(std::u32string_view text) {
  // Below U+0300 no character combines and each is its own normal form.
  if (std::ranges::all_of(text, [](char32_t c) { return c < 0x300; })) return std::u32string(text);
  return normalize(text, 0);
}

std::u32string normalize_nfkc(std::u32string_view text) { return normalize(text, UTF8PROC_COMPAT); }

}  // namespace cloob
