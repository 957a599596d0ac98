#include "cloob/image/decode.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/text.h"
#include "image/codec.h"
#include "image/pixel_modes.h"

namespace cloob {
namespace {

struct Signature {
  std::string_view format;
  std::size_t offset;
  std::string_view bytes;
};

// Formats that are not decoded, so that a file in one of them is not mistaken for damaged data.
constexpr std::array<Signature, 19> kUnsupported{{
    {"TIFF", 0, {"II*\0", 4}}, {"TIFF", 0, {"MM\0*", 4}},
    {"TIFF", 0, {"II+\0", 4}},  // BigTIFF
    {"TIFF", 0, {"MM\0+", 4}}, {"AVIF", 4, "ftypavif"},
    {"AVIF", 4, "ftypavis"},   {"HEIF", 4, "ftyphe"},
    {"HEIF", 4, "ftypmif1"},   {"HEIF", 4, "ftypmsf1"},
    {"JPEG 2000", 4, "jP  "},  {"JPEG 2000", 0, "\xff\x4f\xff\x51"},
    {"JPEG XL", 4, "JXL "},    {"JPEG XL", 0, "\xff\x0a"},
    {"PSD", 0, "8BPS"},        {"SVG", 0, "<svg"},
    {"PNM", 0, "P3\n"},        {"PNM", 0, "P4\n"},
    {"PNM", 0, "P5\n"},        {"PNM", 0, "P6\n"},
}};

// HEIF's general brands are also used for AVIF, which is then among the compatible brands after them.
bool lists_avif(Bytes bytes) {
  constexpr std::size_t kMaxBrands = 128;
  for (std::size_t at = 16; at + 4 <= std::min(bytes.size(), kMaxBrands); at += 4) {
    if (has_signature(bytes, at, "avif") || has_signature(bytes, at, "avis")) return true;
  }
  return false;
}

std::string_view unsupported_format(Bytes bytes) {
  for (const auto& [format, offset, signature] : kUnsupported) {
    if (has_signature(bytes, offset, signature))
      return format == "HEIF" && lists_avif(bytes) ? "AVIF" : format;
  }
  return "";
}

const Codec& find_codec(Bytes bytes) {
  for (const Codec* codec : {&kJpegCodec, &kPngCodec, &kWebpCodec, &kGifCodec, &kBmpCodec}) {
    if (codec->matches(bytes)) return *codec;
  }
  if (const std::string_view format = unsupported_format(bytes); !format.empty()) {
    throw DecodeError(
        DecodeErrorKind::unsupported_format,
        fmt::format("{} is not decoded (JPEG, PNG, WebP, GIF and BMP are): convert it, for example with "
                    "ImageMagick: convert FILE FILE.png",
                    format));
  }
  throw DecodeError(
      DecodeErrorKind::not_an_image,
      bytes.empty() ? "empty file" : "not JPEG, PNG, WebP, GIF or BMP, judging by the first bytes");
}

}  // namespace

bool has_signature(Bytes bytes, std::size_t offset, std::string_view signature) {
  if (bytes.size() < offset + signature.size()) return false;
  const char* begin = reinterpret_cast<const char*>(bytes.data()) + offset;
  return std::string_view(begin, signature.size()) == signature;
}

std::uint32_t little_endian(Bytes bytes, std::size_t offset, std::size_t count) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < count; ++i) value |= static_cast<std::uint32_t>(bytes[offset + i]) << (8 * i);
  return value;
}

void throw_decode_error(DecodeErrorKind kind, std::string_view codec, std::string_view what) {
  throw DecodeError(kind, fmt::format("{}: {}", codec, what));
}

void check_size(std::string_view codec, std::int64_t height, std::int64_t width) {
  if (height < 1 || width < 1)
    throw_decode_error(DecodeErrorKind::corrupt, codec, "the height or width is zero");
  if (height > kMaxImagePixels / width || std::max(height, width) > kMaxImageSide) {
    throw_decode_error(DecodeErrorKind::too_large, codec,
                       fmt::format("{} x {} pixels, the limits are {} and sides of {}", width, height,
                                   with_thousands(kMaxImagePixels), with_thousands(kMaxImageSide)));
  }
}

void check_memory(std::string_view codec, ImageSize size, std::int64_t bytes) {
  if (bytes <= kMaxDecodeBytes) return;
  throw_decode_error(
      DecodeErrorKind::too_large, codec,
      fmt::format("decoding {} x {} pixels in this encoding takes {}, the limit is {}", size.width,
                  size.height, human_bytes(static_cast<std::uint64_t>(bytes)), human_bytes(kMaxDecodeBytes)));
}

std::string_view image_format_of(Bytes bytes) { return find_codec(bytes).name; }

ImageSize image_size_of(Bytes bytes) { return find_codec(bytes).size(bytes); }

ImageU8 decode_image_as_stored(Bytes bytes, PixelMemory memory) {
  return find_codec(bytes).decode_as_stored(bytes, std::move(memory));
}

ImageU8 decode_image(Bytes bytes, PixelMemory memory) {
  return to_rgb(decode_image_as_stored(bytes, std::move(memory)));
}

ImageU8 decode_image_reduced(Bytes bytes, int reduction, PixelMemory memory) {
  CLOOB_CHECK(reduction == 1 || reduction == 2 || reduction == 4 || reduction == 8, "a reduction by {}",
              reduction);
  const Codec& codec = find_codec(bytes);
  if (codec.decode_reduced == nullptr) return to_rgb(codec.decode_as_stored(bytes, std::move(memory)));
  return to_rgb(codec.decode_reduced(bytes, reduction, std::move(memory)));
}

ImageU8 to_rgb(ImageU8 image) {
  if (image.channels() == 4) {
    const std::size_t num_pixels =
        static_cast<std::size_t>(image.height) * static_cast<std::size_t>(image.width);
    // In place: writing three bytes per pixel never overtakes reading four.
    convert_to_rgb(image.pixels.data(), num_pixels, image.mode, image.pixels.data());
    image.pixels.resize(3 * num_pixels);
  }
  image.mode = PixelMode::rgb;
  return image;
}

PixelMemory memory_for_next(ImageU8 image) {
  constexpr std::size_t kMaxKeptBytes = std::size_t{64} << 20;
  return image.pixels.capacity() > kMaxKeptBytes ? PixelMemory() : std::move(image.pixels);
}

ImageU8 make_image(ImageSize size, PixelMode mode, PixelMemory memory) {
  CLOOB_CHECK(size.height >= 0 && size.width >= 0, "{} x {}", size.width, size.height);
  ImageU8 image{size.height, size.width, std::move(memory), mode};
  image.pixels.resize(static_cast<std::size_t>(size.height) * image.row_bytes());
  return image;
}

}  // namespace cloob
