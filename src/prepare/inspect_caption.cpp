#include "prepare/inspect_caption.h"

#include <algorithm>
#include <array>

#include "cloob/base/text.h"
#include "cloob/base/utf8.h"
#include "cloob/data/captions.h"
#include "cloob/text/clean.h"

namespace cloob {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

// Calls visit(character, its bytes) for each character of valid UTF-8 until it returns false.
template <class Visit>
void for_each_character(std::string_view text, const Visit& visit) {
  while (!text.empty()) {
    const Utf8Character character = decode_character(text);
    if (!visit(character.code, text.substr(0, character.length))) return;
    text.remove_prefix(character.length);
  }
}

std::int64_t count_characters(std::string_view text) {
  return std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; });
}

// By Unicode block: a few unusual characters are mistaken for letters.
std::int64_t letters_in(char32_t code) {
  struct Block {
    char32_t first, last;
  };
  constexpr std::array<Block, 5> kSymbols = {{{0x80, 0xBF},          // Latin-1 signs
                                              {0x2000, 0x2BFF},      // punctuation, arrows, symbols
                                              {0x3000, 0x303F},      // CJK punctuation
                                              {0xFE00, 0xFE0F},      // variation selectors
                                              {0x1F000, 0x1FAFF}}};  // emoji and similar
  if (code < 0x80) return (code >= 'a' && code <= 'z') || (code >= 'A' && code <= 'Z') ? 1 : 0;
  const auto is_within = [code](const Block& block) { return code >= block.first && code <= block.last; };
  if (std::ranges::any_of(kSymbols, is_within) || code == 0xFFFD) return 0;
  constexpr char32_t kFirstWithoutAlphabet = 0x2E80;
  return code < kFirstWithoutAlphabet ? 1 : 3;
}

bool contains_address(std::string_view cleaned) {
  constexpr std::array<std::string_view, 7> kMarkers = {"http://", "https://", "www.", ".jpg",
                                                        ".jpeg",   ".png",     ".webp"};
  return std::ranges::any_of(kMarkers,
                             [&](std::string_view marker) { return cleaned.find(marker) != cleaned.npos; });
}

bool is_control(char32_t code) { return code < 0x20 || (code >= 0x7F && code < 0xA0); }

}  // namespace

CaptionStats analyze_caption(std::string_view caption) {
  const std::string text = collapse_whitespace(caption);
  CaptionStats stats;
  stats.characters = count_characters(text);
  stats.words = text.empty() ? 0 : std::ranges::count(text, ' ') + 1;
  stats.is_valid = is_valid_utf8(caption);
  stats.cleaned = clean_caption(caption);
  for_each_character(stats.cleaned, [&](char32_t code, std::string_view) {
    stats.letters += letters_in(code);
    return true;
  });
  stats.has_address = contains_address(stats.cleaned);
  stats.is_encoded = !stats.has_address && looks_percent_encoded(trim(caption));
  return stats;
}

std::string one_line(std::string_view text, std::size_t max_characters) {
  const std::string collapsed = collapse_whitespace(text);
  std::string line;
  std::size_t count = 0;
  for_each_character(collapsed, [&](char32_t code, std::string_view bytes) {
    if (count++ == max_characters) {
      line += "...";
      return false;
    }
    line += is_control(code) ? kReplacement : bytes;
    return true;
  });
  return line;
}

}  // namespace cloob
