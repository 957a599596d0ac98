#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>

#include "cloob/image/image.h"

namespace cloob {

/// Draws text of any script: with DejaVu Sans, and what it lacks with GNU Unifont, which has a glyph for every character
/// of Unicode's basic plane and many others. Right-to-left text is ordered and Arabic letters are joined; marks and
/// ligatures of other scripts are drawn one after another. Not thread-safe.
class TextPainter {
 public:
  /// Pixels from one line to the next, and from the top of a line to its base.
  static constexpr int kLineHeight = 18, kAscent = 14;

  /// Throws UserError if the fonts are missing.
  TextPainter();
  ~TextPainter();

  /// Width in pixels.
  int width(std::u32string_view line) const;
  /// Draws a line of text, in its logical order, with its base at `baseline`. Pixels outside of the image are left out.
  void draw(ImageU8& image, int left, int baseline, std::u32string_view line,
            const std::array<std::uint8_t, 3>& ink) const;

 private:
  struct Fonts;
  std::unique_ptr<Fonts> fonts_;
};

/// Control characters and byte sequences that are not UTF-8 become blanks and U+FFFD; characters without an appearance
/// (joiners, variation selectors) are left out.
std::u32string drawable_text(std::string_view text);

}  // namespace cloob
