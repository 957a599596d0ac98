#include "image/text_painter.h"

#include <fribidi.h>
#include <ft2build.h>
#include FT_FREETYPE_H

#include <algorithm>
#include <string>
#include <vector>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/utf8.h"

namespace cloob {
namespace {

// The words of a line from left to right, with Arabic letters in the form that their neighbours require.
std::u32string visual_order(std::u32string_view line) {
  const std::u32string logical(line);
  static_assert(sizeof(FriBidiChar) == sizeof(char32_t));
  std::u32string visual(logical.size(), U' ');
  FriBidiParType direction = FRIBIDI_PAR_ON;
  const bool done =
      fribidi_log2vis(reinterpret_cast<const FriBidiChar*>(logical.data()),
                      static_cast<FriBidiStrIndex>(logical.size()), &direction,
                      reinterpret_cast<FriBidiChar*>(visual.data()), nullptr, nullptr, nullptr) != 0;
  return done ? visual : logical;
}

bool has_no_appearance(char32_t code) {
  return (code >= 0x200b && code <= 0x200f) || (code >= 0x202a && code <= 0x202e) ||
         (code >= 0x2060 && code <= 0x2069) || (code >= 0xfe00 && code <= 0xfe0f) || code == 0xfeff ||
         (code >= 0xe0000 && code <= 0xe0fff);
}

}  // namespace

struct TextPainter::Fonts {
  struct Font {
    const char* file;
    int pixels;  // of Unifont: the size that its glyphs are drawn for
  };
  static constexpr std::array<Font, 3> kFonts{
      {{"fonts/DejaVuSans.ttf", 12}, {"fonts/unifont.otf", 16}, {"fonts/unifont_upper.otf", 16}}};

  FT_Library library = nullptr;
  std::vector<FT_Face> faces;

  Fonts() {
    CLOOB_CHECK(FT_Init_FreeType(&library) == 0, "FreeType cannot be started");
    for (const auto& [file, pixels] : kFonts) {
      const std::string path = find_resource(file).string();
      FT_Face face = nullptr;
      if (FT_New_Face(library, path.c_str(), 0, &face) != 0 ||
          FT_Set_Pixel_Sizes(face, 0, static_cast<FT_UInt>(pixels)) != 0)
        throw_user_error("'{}' is not a font that can be read", path);
      faces.push_back(face);
    }
  }
  ~Fonts() { FT_Done_FreeType(library); }  // with its faces
  Fonts(const Fonts&) = delete;
  Fonts& operator=(const Fonts&) = delete;

  // The glyph of a character, drawn with coverages of 0 to 255; nullptr if no font has it.
  FT_GlyphSlot glyph(char32_t code) const {
    for (FT_Face face : faces) {
      const FT_UInt index = FT_Get_Char_Index(face, code);
      if (index != 0 && FT_Load_Glyph(face, index, FT_LOAD_RENDER) == 0) return face->glyph;
    }
    constexpr char32_t kReplacement = 0xfffd;
    return code == kReplacement ? nullptr : glyph(kReplacement);
  }
};

TextPainter::TextPainter() : fonts_(std::make_unique<Fonts>()) {}

TextPainter::~TextPainter() = default;

int TextPainter::width(std::u32string_view line) const {
  FT_Pos width = 0;
  for (const char32_t code : visual_order(line)) {
    if (const FT_GlyphSlot glyph = fonts_->glyph(code)) width += glyph->advance.x;
  }
  return static_cast<int>((width + 63) / 64);  // FreeType counts in 64ths of a pixel
}

void TextPainter::draw(ImageU8& image, int left, int baseline, std::u32string_view line,
                       const std::array<std::uint8_t, 3>& ink) const {
  FT_Pos pen = FT_Pos{left} * 64;
  for (const char32_t code : visual_order(line)) {
    const FT_GlyphSlot glyph = fonts_->glyph(code);
    if (glyph == nullptr) continue;
    const FT_Bitmap& bitmap = glyph->bitmap;
    const int first_x = static_cast<int>(pen / 64) + glyph->bitmap_left,
              first_y = baseline - glyph->bitmap_top;
    for (int row = 0; row < static_cast<int>(bitmap.rows); ++row) {
      for (int column = 0; column < static_cast<int>(bitmap.width); ++column) {
        const int x = first_x + column, y = first_y + row;
        if (x < 0 || x >= image.width || y < 0 || y >= image.height) continue;
        const int coverage = bitmap.buffer[row * bitmap.pitch + column];
        std::uint8_t* const pixel = image.row(y) + 3 * x;
        for (std::size_t c = 0; c < 3; ++c)
          pixel[c] = static_cast<std::uint8_t>((coverage * ink[c] + (255 - coverage) * pixel[c] + 127) / 255);
      }
    }
    pen += glyph->advance.x;
  }
}

std::u32string drawable_text(std::string_view text) {
  std::u32string out;
  while (!text.empty()) {
    const Utf8Character character = decode_character(text);
    text.remove_prefix(std::max<std::size_t>(1, character.length));
    if (character.length == 0) {
      out += U'\xfffd';
    } else if (character.code < 0x20 || (character.code >= 0x7f && character.code < 0xa0)) {
      out += U' ';
    } else if (!has_no_appearance(character.code)) {
      out += character.code;
    }
  }
  return out;
}

}  // namespace cloob
