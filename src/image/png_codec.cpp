// PNG decoding with libpng: everything becomes RGB or RGBA with 8 bits per channel.
#include <png.h>

#include <csetjmp>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "image/codec.h"

namespace cloob {
namespace {

constexpr std::string_view kName = "PNG";

// As in jpeg_codec.cpp, longjmp leaves libpng after an error, so the functions that call setjmp own nothing.
struct Reader {
  Bytes rest;
  bool truncated = false;
  char message[160] = "";
  png_structp png = nullptr;
  png_infop info = nullptr;

  explicit Reader(Bytes bytes) : rest(bytes) {
    png = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, on_error, [](png_structp, png_const_charp) {});
    if (png == nullptr) throw std::bad_alloc();
    info = png_create_info_struct(png);
    if (info == nullptr) throw std::bad_alloc();
  }
  ~Reader() { png_destroy_read_struct(&png, &info, nullptr); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  static void on_error(png_structp png, png_const_charp what) {
    auto& reader = *static_cast<Reader*>(png_get_error_ptr(png));
    std::strncpy(reader.message, what, sizeof(reader.message) - 1);
    png_longjmp(png, 1);
  }

  static void read(png_structp png, png_bytep into, std::size_t size) {
    auto& reader = *static_cast<Reader*>(png_get_io_ptr(png));
    if (reader.rest.size() < size) {
      reader.truncated = true;
      png_error(png, "the file ends before the end of the image");
    }
    std::memcpy(into, reader.rest.data(), size);
    reader.rest = reader.rest.subspan(size);
  }

  [[noreturn]] void fail() const {
    throw_decode_error(truncated ? DecodeErrorKind::truncated : DecodeErrorKind::corrupt, kName, message);
  }
};

bool read_header(Reader& reader) {
  if (setjmp(png_jmpbuf(reader.png)) != 0) return false;
  png_set_read_fn(reader.png, &reader, Reader::read);
  // Pillow does not check the checksums of pixel data either.
  png_set_crc_action(reader.png, PNG_CRC_QUIET_USE, PNG_CRC_QUIET_USE);
  // All chunks that pixels do not depend on are skipped: libpng would allocate as much as they claim to have, and what
  // their compressed text expands to.
  constexpr int kAllKnownChunks = -1;
  png_set_keep_unknown_chunks(reader.png, PNG_HANDLE_CHUNK_NEVER, nullptr, kAllKnownChunks);
  png_read_info(reader.png, reader.info);
  return true;
}

// Requests expansion to 8-bit RGB or RGBA; returns the resulting mode.
PixelMode request_conversions(Reader& reader) {
  const int color = png_get_color_type(reader.png, reader.info);
  const int depth = png_get_bit_depth(reader.png, reader.info);
  if (depth == 16) png_set_strip_16(reader.png);
  if (color == PNG_COLOR_TYPE_PALETTE) {
    png_set_palette_to_rgb(reader.png);
    png_set_strip_alpha(reader.png);  // palette_to_rgb also expands the transparency of palette entries
    return PixelMode::indexed;
  }
  if ((color & PNG_COLOR_MASK_COLOR) == 0) {
    if (depth < 8) png_set_expand_gray_1_2_4_to_8(reader.png);
    png_set_gray_to_rgb(reader.png);
  }
  if ((color & PNG_COLOR_MASK_ALPHA) != 0) return PixelMode::rgba;
  return depth == 1 ? PixelMode::indexed : PixelMode::rgb;
}

bool prepare(Reader& reader, PixelMode& mode) {
  if (setjmp(png_jmpbuf(reader.png)) != 0) return false;
  mode = request_conversions(reader);
  png_set_interlace_handling(reader.png);
  png_read_update_info(reader.png, reader.info);
  return true;
}

// Data after the last row is not needed, so png_read_end is not called.
bool read_pixels(Reader& reader, png_bytepp rows) {
  if (setjmp(png_jmpbuf(reader.png)) != 0) return false;
  png_read_image(reader.png, rows);
  return true;
}

ImageSize open(Reader& reader) {
  if (!read_header(reader)) reader.fail();
  const png_uint_32 height = png_get_image_height(reader.png, reader.info);
  const png_uint_32 width = png_get_image_width(reader.png, reader.info);
  check_size(kName, height, width);
  return {static_cast<int>(height), static_cast<int>(width)};
}

bool matches(Bytes bytes) { return has_signature(bytes, 0, "\x89PNG\r\n\x1a\n"); }

ImageSize size(Bytes bytes) {
  Reader reader(bytes);
  return open(reader);
}

ImageU8 decode(Bytes bytes, PixelMemory memory) {
  Reader reader(bytes);
  const ImageSize image_size = open(reader);
  PixelMode mode = PixelMode::rgb;
  if (!prepare(reader, mode)) reader.fail();
  ImageU8 image = make_image(image_size, mode, std::move(memory));
  std::vector<png_bytep> rows(static_cast<std::size_t>(image.height));
  for (int y = 0; y < image.height; ++y) rows[static_cast<std::size_t>(y)] = image.row(y);
  if (png_get_rowbytes(reader.png, reader.info) != image.row_bytes()) {
    throw_decode_error(DecodeErrorKind::corrupt, kName, "unexpected row size");
  }
  if (!read_pixels(reader, rows.data())) reader.fail();
  return image;
}

}  // namespace

const Codec kPngCodec{kName, matches, size, decode};

}  // namespace cloob
