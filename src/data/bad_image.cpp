#include "data/bad_image.h"

#include <fmt/core.h>

#include "cloob/base/text.h"

namespace cloob {

BadKind bad_kind(DecodeErrorKind kind) {
  switch (kind) {
    case DecodeErrorKind::not_an_image:
    case DecodeErrorKind::unsupported_format:
      return BadKind::not_an_image;
    case DecodeErrorKind::truncated:
    case DecodeErrorKind::corrupt:
      return BadKind::damaged_image;
    case DecodeErrorKind::too_large:
      return BadKind::too_large;
  }
  return BadKind::damaged_image;
}

ImageSize checked_image_size(std::span<const std::byte> encoded, std::int64_t max_image_pixels) {
  const ImageSize size = image_size_of(encoded);
  if (std::int64_t{size.height} * size.width > max_image_pixels) {
    throw BadSample(BadKind::too_large, fmt::format("{} x {} pixels, data.max_image_pixels is {}", size.width,
                                                    size.height, with_thousands(max_image_pixels)));
  }
  return size;
}

}  // namespace cloob
