// Uncompressed BMP, with a palette of up to 256 colours or with 24 or 32 bits per pixel.
#include <cstdlib>
#include <utility>

#include "image/codec.h"

namespace cloob {
namespace {

constexpr std::string_view kName = "BMP";
constexpr std::size_t kFileHeaderBytes = 14;
constexpr std::size_t kHeadersBytes = kFileHeaderBytes + 40;

struct Header {
  ImageSize size;
  bool top_down = false;
  std::size_t bits = 0;  ///< per pixel
  std::size_t first_pixel = 0;
  std::size_t palette = 0;
  std::size_t row_bytes = 0;
};

Header read_header(Bytes bytes) {
  if (bytes.size() < kHeadersBytes)
    throw_decode_error(DecodeErrorKind::truncated, kName, "the header is incomplete");
  const std::size_t info_bytes = little_endian(bytes, kFileHeaderBytes, 4);
  if (info_bytes < 40 || info_bytes > 1024) {
    throw_decode_error(DecodeErrorKind::unsupported_format, kName, "this header version is not supported");
  }
  const std::int64_t width = static_cast<std::int32_t>(little_endian(bytes, 18, 4));
  const std::int64_t height = static_cast<std::int32_t>(little_endian(bytes, 22, 4));
  check_size(kName, std::llabs(height), width);
  Header header;
  header.size = {static_cast<int>(std::llabs(height)), static_cast<int>(width)};
  header.top_down = height < 0;
  header.bits = little_endian(bytes, 28, 2);
  header.first_pixel = little_endian(bytes, 10, 4);
  header.palette = kFileHeaderBytes + info_bytes;
  header.row_bytes = (static_cast<std::size_t>(width) * header.bits + 31) / 32 * 4;
  return header;
}

// Offset of blue, green and red of pixel x: in the row itself or, by the index in the row, in the palette.
std::size_t color_offset(Bytes bytes, const Header& header, std::size_t row, std::size_t x) {
  if (header.bits >= 24) return row + x * (header.bits / 8);
  const std::size_t bit = x * header.bits;
  const std::uint32_t byte = little_endian(bytes, row + bit / 8, 1);
  const std::uint32_t index = (byte >> (8 - header.bits - bit % 8)) & ((1u << header.bits) - 1u);
  const std::size_t offset = header.palette + 4 * index;
  if (offset + 4 > header.first_pixel)
    throw_decode_error(DecodeErrorKind::corrupt, kName, "a colour index outside the palette");
  return offset;
}

bool matches(Bytes bytes) { return has_signature(bytes, 0, "BM"); }

ImageSize size(Bytes bytes) { return read_header(bytes).size; }

ImageU8 decode(Bytes bytes, PixelMemory memory) {
  const Header header = read_header(bytes);
  const bool known_depth =
      header.bits == 1 || header.bits == 4 || header.bits == 8 || header.bits == 24 || header.bits == 32;
  if (!known_depth || little_endian(bytes, 30, 4) != 0) {
    throw_decode_error(DecodeErrorKind::unsupported_format, kName,
                       "compressed or 16-bit pixels are not supported");
  }
  const auto height = static_cast<std::size_t>(header.size.height);
  if (bytes.size() < header.first_pixel + header.row_bytes * height) {
    throw_decode_error(DecodeErrorKind::truncated, kName, "the file ends before the end of the image");
  }
  ImageU8 image =
      make_image(header.size, header.bits >= 24 ? PixelMode::rgb : PixelMode::indexed, std::move(memory));
  std::uint8_t* out = image.pixels.data();
  for (std::size_t y = 0; y < height; ++y) {
    const std::size_t row = header.first_pixel + header.row_bytes * (header.top_down ? y : height - 1 - y);
    for (std::size_t x = 0; x < static_cast<std::size_t>(header.size.width); ++x, out += 3) {
      const std::size_t color = color_offset(bytes, header, row, x);
      for (std::size_t c = 0; c < 3; ++c) out[c] = static_cast<std::uint8_t>(bytes[color + 2 - c]);
    }
  }
  return image;
}

}  // namespace

const Codec kBmpCodec{kName, matches, size, decode};

}  // namespace cloob
