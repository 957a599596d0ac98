// Decodes JPEG, PNG, WebP, GIF and BMP files to the same pixels as Pillow's `Image.open(f).convert("RGB")`.
//
// EXIF orientation is ignored, alpha is dropped without compositing, grey and palette images become RGB, CMYK
// is converted as in Pillow (including Adobe's inverted inks), an animation gives its first frame. Damaged
// data that the codec can skip is not an error, as in Pillow. One deviation: 16-bit grey keeps its upper 8
// bits, where Pillow saturates everything above 255 to white. Nothing is printed.
//
// Memory is bounded before it is allocated, whatever the file claims: see kMaxDecodeBytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "cloob/config/field.h"
#include "cloob/image/image.h"

namespace cloob {

enum class DecodeErrorKind {
  not_an_image,        ///< the first bytes match no image format
  unsupported_format,  ///< an image format that is not decoded, such as AVIF or TIFF
  truncated,           ///< the file ends before the end of the image
  corrupt,             ///< the codec failed
  too_large,           ///< more than kMaxImagePixels, kMaxImageSide, kMaxDecodeBytes or kMaxJpegScans
};
template <>
struct EnumNames<DecodeErrorKind> {
  static constexpr std::array<std::pair<std::string_view, DecodeErrorKind>, 5> names{{
      {"not_an_image", DecodeErrorKind::not_an_image},
      {"unsupported_format", DecodeErrorKind::unsupported_format},
      {"truncated", DecodeErrorKind::truncated},
      {"corrupt", DecodeErrorKind::corrupt},
      {"too_large", DecodeErrorKind::too_large},
  }};
};

/// An image that cannot be decoded. The message is one line without the file's name.
class DecodeError : public std::runtime_error {
 public:
  DecodeError(DecodeErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  DecodeErrorKind kind() const { return kind_; }

 private:
  DecodeErrorKind kind_;
};

/// The limit above which Pillow suspects a decompression bomb; callers enforce a lower one with
/// `image_size_of`.
inline constexpr std::int64_t kMaxImagePixels = 178'956'970;

/// Of the height and the width, as in libpng. Resampling takes memory in proportion to a side.
inline constexpr std::int64_t kMaxImageSide = 1'000'000;

/// Memory that the pixels and the codec take together: an image that needs more is too_large. Up to 4 bytes per pixel
/// are the pixels. A progressive JPEG's coefficients, all of which are in memory at once, take up to 8 more, and
/// libwebp up to 6, and up to 384 MiB for Huffman tables. Everything else is below 64 MiB.
inline constexpr std::int64_t kMaxDecodeBytes = std::int64_t{768} << 20;

/// Scans of a progressive JPEG. Encoders write about ten; each takes the time of a pass over all pixels and may have
/// next to no data. (libjpeg-turbo's fuzzers stop at 500.)
inline constexpr int kMaxJpegScans = 100;

/// "JPEG", "PNG", "WebP", "GIF" or "BMP", judging by the first bytes. Throws DecodeError for anything else.
std::string_view image_format_of(std::span<const std::byte> bytes);

/// Height and width, read from the header without decoding. Throws DecodeError.
ImageSize image_size_of(std::span<const std::byte> bytes);

/// The image as RGB: a JPEG at 1/`reduction` of its size (1, 2, 4 or 8; sides are rounded up), using smaller
/// inverse transforms; other formats at full size. Throws DecodeError. Thread-safe.
ImageU8 decode_image_reduced(std::span<const std::byte> bytes, int reduction, PixelMemory memory = {});

/// The image as RGB. Throws DecodeError. Thread-safe.
ImageU8 decode_image(std::span<const std::byte> bytes, PixelMemory memory = {});

/// The image in the pixel mode of the file (palette indices already looked up, grey already RGB), for callers
/// that resample before they convert to RGB, as the references' CSV loaders do. Throws DecodeError.
/// Thread-safe.
ImageU8 decode_image_as_stored(std::span<const std::byte> bytes, PixelMemory memory = {});

/// Drops alpha and converts CMYK; RGB is returned unchanged.
ImageU8 to_rgb(ImageU8 image);

}  // namespace cloob
