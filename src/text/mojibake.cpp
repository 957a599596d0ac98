#include "text/mojibake.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>

#include "text/badness.h"
#include "text/html.h"
#include "text/mojibake_bytes.h"
#include "text/mojibake_characters.h"

namespace cloob {
namespace {

bool contains(EncodingSet set, std::size_t encoding) { return (set >> encoding & 1u) != 0; }

std::string encode(std::u32string_view text, std::size_t encoding) {
  const MojibakeCharacters& characters = MojibakeCharacters::instance();
  std::string bytes;
  bytes.reserve(text.size());
  for (const char32_t c : text) bytes += static_cast<char>(characters.find(c).bytes[encoding]);
  return bytes;
}

// Undoes the decoding of UTF-8 with this encoding.
std::optional<std::u32string> decode_again(std::u32string_view text, std::size_t encoding) {
  const SingleByteEncoding& source = mojibake_encodings()[encoding];
  std::string bytes = encode(text, encoding);
  // In MacRoman the first byte of many sequences is a dash, and a space after it is probably meant.
  if (source.name != "macroman") bytes = restore_no_break_bytes(bytes);
  if (source.is_sloppy) bytes = replace_lossy_sequences(bytes);
  return decode_utf8_variants(bytes);
}

std::optional<std::u32string> decode_whole(std::u32string_view text, EncodingSet possible) {
  for (std::size_t encoding = 0; encoding < kNumEncodings; ++encoding) {
    if (!contains(possible, encoding)) continue;
    if (std::optional<std::u32string> decoded = decode_again(text, encoding)) return decoded;
  }
  return std::nullopt;
}

// The number of characters at the start of the text that look like a sequence of UTF-8, or 0.
std::size_t utf8_sequence_length(std::u32string_view text) {
  if (text.empty()) return 0;
  const MojibakeCharacters& characters = MojibakeCharacters::instance();
  const ClassSet first = characters.find(text[0]).classes;
  const std::size_t length = (first & kFirstOfTwo) != 0     ? 2
                             : (first & kFirstOfThree) != 0 ? 3
                             : (first & kFirstOfFour) != 0  ? 4
                                                            : 0;
  if (text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((characters.find(text[i]).classes & kContinuation) == 0) return 0;
  }
  return length;
}

// Repairs each run of characters that look like UTF-8 by itself (decode_inconsistent_utf8 in ftfy/fixes.py).
// A run that follows another continuation character is left alone: it is probably part of a longer garble.
std::u32string decode_parts(std::u32string_view text, PassBudget& budget) {
  const MojibakeCharacters& characters = MojibakeCharacters::instance();
  std::u32string result;
  result.reserve(text.size());
  bool may_start = true;
  for (std::size_t start = 0; start < text.size();) {
    std::size_t end = start;
    if (may_start) {
      while (const std::size_t length = utf8_sequence_length(text.substr(end))) end += length;
    }
    if (end == start) {
      result += text[end++];
    } else {
      const std::u32string_view run = text.substr(start, end - start);
      // A run that is the whole text has been tried already.
      const bool is_part = run.size() < text.size();
      result += is_part && is_bad(run) ? fix_encoding(run, budget) : std::u32string(run);
    }
    may_start = (characters.find(text[end - 1]).classes & kStrictContinuation) == 0;
    start = end;
  }
  return result;
}

std::u32string replace_c1_controls(std::u32string_view text) {
  std::u32string result(text);
  std::ranges::transform(result, result.begin(), windows_1252_for_control);
  return result;
}

std::u32string fix_once(std::u32string_view text, PassBudget& budget) {
  const bool is_ascii = std::ranges::all_of(text, [](char32_t c) { return c < 0x80; });
  if (is_ascii || !is_bad(text)) return std::u32string(text);
  const EncodingSet possible = possible_encodings(text);
  if (std::optional<std::u32string> decoded = decode_whole(text, possible)) return *std::move(decoded);
  if (std::u32string decoded = decode_parts(text, budget); decoded != text) return decoded;
  return replace_c1_controls(text);
}

}  // namespace

std::u32string fix_encoding(std::u32string_view text, PassBudget& budget) {
  std::u32string current(text);
  while (budget.spend(current.size())) {
    std::u32string fixed = fix_once(current, budget);
    if (fixed == current) break;
    current = std::move(fixed);
  }
  return current;
}

std::u32string fix_encoding(std::u32string_view text) {
  PassBudget budget(text.size());
  return fix_encoding(text, budget);
}

}  // namespace cloob
