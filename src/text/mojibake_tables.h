// The tables of ftfy's fix_encoding: classes of characters that occur in mojibake, and encodings to try.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace cloob {

/// Classes of characters, as bits. The first group tells whether text looks like mojibake
/// (MOJIBAKE_CATEGORIES in ftfy/badness.py); the second finds UTF-8 sequences inside of it (UTF8_CLUES in
/// ftfy/chardata.py). A character can be in several classes.
using ClassSet = std::uint32_t;
enum CharacterClass : ClassSet {
  kCommon = 1u << 0,
  kC1 = 1u << 1,
  kBad = 1u << 2,
  kLaw = 1u << 3,
  kCurrency = 1u << 4,
  kStartPunctuation = 1u << 5,
  kEndPunctuation = 1u << 6,
  kNumeric = 1u << 7,
  kKaomoji = 1u << 8,
  kUpperAccented = 1u << 9,
  kLowerAccented = 1u << 10,
  kUpperCommon = 1u << 11,
  kLowerCommon = 1u << 12,
  kBox = 1u << 13,

  // First bytes of UTF-8 sequences of two, three and four bytes, and the bytes that follow them, as they look
  // when they are decoded with a single-byte encoding. The strict class leaves out characters that often
  // stand for themselves next to mojibake, such as spaces and quotation marks. The three first classes are
  // disjoint.
  kFirstOfTwo = 1u << 14,
  kFirstOfThree = 1u << 15,
  kFirstOfFour = 1u << 16,
  kContinuation = 1u << 17,
  kStrictContinuation = 1u << 18,
};

/// The code points first..last are in exactly these classes.
struct ClassRange {
  char16_t first;
  char16_t last;
  ClassSet classes;
};

/// An encoding with one byte for a character; bytes below 0x80 are ASCII. The sloppy ones are those of
/// Windows with undefined bytes decoded as the code points of the same number; their byte 0x1A is U+FFFD.
struct SingleByteEncoding {
  std::string_view name;
  bool is_sloppy;
  std::array<char16_t, 128> upper_half;  // the characters of the bytes 0x80..0xFF
};

inline constexpr std::size_t kNumEncodings = 10;

/// Sorted by code point, without overlap.
std::span<const ClassRange> mojibake_class_ranges();
/// In the order in which they are tried (CHARMAP_ENCODINGS in ftfy/chardata.py).
std::span<const SingleByteEncoding, kNumEncodings> mojibake_encodings();

}  // namespace cloob
