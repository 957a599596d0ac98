#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace cloob {

/// The longer side of a thumbnail, in pixels.
inline constexpr int kThumbnailSide = 224;

/// The image as a small JPEG file; images that are smaller are not enlarged. Throws DecodeError.
std::string make_thumbnail(std::span<const std::byte> encoded);

/// A gray area, in place of an image that is not at hand.
std::string blank_thumbnail();

}  // namespace cloob
