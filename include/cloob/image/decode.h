// From the bytes of a JPEG, PNG, WebP or BMP file to pixels, equal to Pillow's
// `Image.open(f).convert("RGB")`.
//
// EXIF orientation is ignored, alpha is dropped without compositing, grey and palette pictures become RGB,
// CMYK is converted as Pillow does it (Adobe's inverted inks included), an animation gives its first frame.
// Damage inside the data that the codec can step over is no error, as in Pillow. One deviation: 16-bit grey
// keeps its upper 8 bits, where Pillow turns everything above 255 white. Nothing here prints.
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
  not_an_image,        ///< the first bytes belong to no image format
  unsupported_format,  ///< an image format that is not read here, such as GIF or TIFF
  truncated,           ///< the file ends before the picture does
  corrupt,             ///< the codec gave up
  too_large,           ///< more than kMaxImagePixels
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

/// A picture that cannot be decoded. One line, without the file's name.
class DecodeError : public std::runtime_error {
 public:
  DecodeError(DecodeErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  DecodeErrorKind kind() const { return kind_; }

 private:
  DecodeErrorKind kind_;
};

/// Where Pillow suspects a decompression bomb; callers set a lower limit with `image_size_of`.
inline constexpr std::int64_t kMaxImagePixels = 178'956'970;

/// "JPEG", "PNG", "WebP" or "BMP", by the first bytes. Throws DecodeError for any other.
std::string_view image_format_of(std::span<const std::byte> bytes);

/// Width and height from the header alone, without decoding. Throws DecodeError.
ImageSize image_size_of(std::span<const std::byte> bytes);

/// The picture as RGB, a JPEG at 1/`reduction` of its size (1, 2, 4 or 8; sides are rounded up) by inverse
/// transforms of fewer points; other formats at full size. Throws DecodeError. Thread-safe.
ImageU8 decode_image_reduced(std::span<const std::byte> bytes, int reduction, PixelMemory memory = {});

/// The picture as RGB. Throws DecodeError. Thread-safe.
ImageU8 decode_image(std::span<const std::byte> bytes, PixelMemory memory = {});

/// The picture in the mode that the file has (palette indices already looked up, grey already RGB), for
/// callers that resample before they convert to RGB, as the references' CSV loaders do. Throws DecodeError.
/// Thread-safe.
ImageU8 decode_image_as_stored(std::span<const std::byte> bytes, PixelMemory memory = {});

/// Drops alpha, converts CMYK; RGB comes back as it is.
ImageU8 to_rgb(ImageU8 image);

}  // namespace cloob
