#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace cloob {

/// Bounds the work of fixes that repeat until nothing changes. Crafted text can need as many passes as it has
/// characters; it is left half fixed. Texts of up to 2,000 characters and texts without a long chain of
/// repairs that depend on each other, which is to say all but crafted ones, never come near the bound.
class PassBudget {
 public:
  explicit PassBudget(std::size_t text_size) : characters_left_(kForAnyText + kPassesOverText * text_size) {}

  /// Pays for a pass over so many characters. False if the budget does not allow for it.
  bool spend(std::size_t num_characters) {
    if (num_characters > characters_left_) return false;
    characters_left_ -= num_characters;
    return true;
  }

 private:
  static constexpr std::size_t kForAnyText = 8'000'000;  // the square of 2,000, twice: passes within passes
  static constexpr std::size_t kPassesOverText = 16;

  std::size_t characters_left_;
};

/// Repairs mojibake, text that was decoded with the wrong encoding, as the function fix_encoding of ftfy 6.3
/// does.
///
/// Only text that looks like mojibake is changed (badness.h). It is encoded again with the single-byte
/// encodings that have all its characters, and decoded as UTF-8; otherwise the parts of it that look like
/// UTF-8 are repaired by themselves; otherwise C1 controls become the characters of Windows-1252. This
/// repeats until nothing changes, because text can be broken several times over.
std::u32string fix_encoding(std::u32string_view text, PassBudget& budget);
std::u32string fix_encoding(std::u32string_view text);

}  // namespace cloob
