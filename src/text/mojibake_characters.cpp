#include "text/mojibake_characters.h"

namespace cloob {

MojibakeCharacters::MojibakeCharacters() : all_(1) {
  const auto add_byte = [this](std::size_t encoding, char16_t c, std::size_t byte) {
    MojibakeCharacter& character = add(c);
    character.encodings |= EncodingSet{1} << encoding;
    character.bytes[encoding] = static_cast<std::uint8_t>(byte);
  };
  constexpr std::size_t kSubstitute = 0x1A;
  for (std::size_t i = 0; i < kNumEncodings; ++i) {
    const SingleByteEncoding& encoding = mojibake_encodings()[i];
    for (std::size_t byte = 0; byte < 0x80; ++byte) {
      const bool is_replacement = encoding.is_sloppy && byte == kSubstitute;
      add_byte(i, is_replacement ? u'\uFFFD' : static_cast<char16_t>(byte), byte);
    }
    for (std::size_t byte = 0x80; byte < 0x100; ++byte) add_byte(i, encoding.upper_half[byte - 0x80], byte);
  }
  for (const ClassRange& range : mojibake_class_ranges()) {
    for (std::uint32_t c = range.first; c <= range.last; ++c)
      add(static_cast<char16_t>(c)).classes = range.classes;
  }
}

MojibakeCharacter& MojibakeCharacters::add(char16_t c) {
  if (places_[c] == kOther) {
    places_[c] = static_cast<std::uint16_t>(all_.size());
    all_.push_back({.code_point = c});
  }
  return all_[places_[c]];
}

const MojibakeCharacters& MojibakeCharacters::instance() {
  static const MojibakeCharacters characters;
  return characters;
}

EncodingSet possible_encodings(std::u32string_view text) {
  const MojibakeCharacters& characters = MojibakeCharacters::instance();
  EncodingSet possible = (EncodingSet{1} << kNumEncodings) - 1;
  for (const char32_t c : text) possible &= characters.find(c).encodings;
  return possible;
}

}  // namespace cloob
