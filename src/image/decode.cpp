#include "cloob/image/decode.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "cloob/base/error.h"
#include "image/codec.h"
#include "image/pixel_modes.h"

namespace cloob {
namespace {

struct Signature {
  std::string_view format;
  std::size_t offset;
  std::string_view bytes;
};

// Unsupported formats that are recognized for a better message.
constexpr std::array<Signature, 7> kUnsupported{{
    {"GIF", 0, "GIF8"},
    {"TIFF", 0, {"II*\0", 4}},
    {"TIFF", 0, {"MM\0*", 4}},
    {"AVIF", 4, "ftypavif"},
    {"HEIF", 4, "ftyphei"},
    {"JPEG 2000", 4, "jP  "},
    {"JPEG XL", 4, "JXL "},
}};

const Codec& find_codec(Bytes bytes) {
  for (const Codec* codec : {&kJpegCodec, &kPngCodec, &kWebpCodec, &kBmpCodec}) {
    if (codec->matches(bytes)) return *codec;
  }
  for (const auto& [format, offset, signature] : kUnsupported) {
    if (has_signature(bytes, offset, signature)) {
      throw DecodeError(DecodeErrorKind::unsupported_format,
                        fmt::format("{} is not supported (JPEG, PNG, WebP and BMP are)", format));
    }
  }
  throw DecodeError(DecodeErrorKind::not_an_image,
                    bytes.empty() ? "empty file" : "not JPEG, PNG, WebP or BMP, judging by the first bytes");
}

}  // namespace

bool has_signature(Bytes bytes, std::size_t offset, std::string_view signature) {
  if (bytes.size() < offset + signature.size()) return false;
  const char* begin = reinterpret_cast<const char*>(bytes.data()) + offset;
  return std::string_view(begin, signature.size()) == signature;
}

void throw_decode_error(DecodeErrorKind kind, std::string_view codec, std::string_view what) {
  throw DecodeError(kind, fmt::format("{}: {}", codec, what));
}

void check_size(std::string_view codec, std::int64_t height, std::int64_t width) {
  if (height < 1 || width < 1)
    throw_decode_error(DecodeErrorKind::corrupt, codec, "the height or width is zero");
  if (height > kMaxImagePixels / width) {
    throw_decode_error(DecodeErrorKind::too_large, codec,
                       fmt::format("{} x {} pixels, the limit is {}", width, height, kMaxImagePixels));
  }
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

ImageU8 make_image(ImageSize size, PixelMode mode, PixelMemory memory) {
  CLOOB_CHECK(size.height >= 0 && size.width >= 0, "{} x {}", size.width, size.height);
  ImageU8 image{size.height, size.width, std::move(memory), mode};
  image.pixels.resize(static_cast<std::size_t>(size.height) * image.row_bytes());
  return image;
}

}  // namespace cloob
