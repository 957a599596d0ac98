// Fast look-up in the tables of mojibake_tables.h.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "text/mojibake_tables.h"

namespace cloob {

/// A set of single-byte encodings: bit i stands for mojibake_encodings()[i].
using EncodingSet = std::uint32_t;

/// What the repair of mojibake knows about a character.
struct MojibakeCharacter {
  char32_t code_point = 0;
  ClassSet classes = 0;
  EncodingSet encodings = 0;                           // those that have the character
  std::array<std::uint8_t, kNumEncodings> bytes = {};  // its byte in each of those
};

/// All characters that are in a class or in an encoding.
class MojibakeCharacters {
 public:
  /// Place in `all` of the entry of characters in no class and no encoding.
  static constexpr std::size_t kOther = 0;

  static const MojibakeCharacters& instance();

  std::size_t place(char32_t c) const { return c < places_.size() ? places_[c] : kOther; }
  const MojibakeCharacter& find(char32_t c) const { return all_[place(c)]; }
  const std::vector<MojibakeCharacter>& all() const { return all_; }

 private:
  MojibakeCharacters();
  MojibakeCharacter& add(char16_t c);

  std::array<std::uint16_t, 0x10000> places_ = {};
  std::vector<MojibakeCharacter> all_;
};

/// The encodings that have every character of the text.
EncodingSet possible_encodings(std::u32string_view text);

}  // namespace cloob
