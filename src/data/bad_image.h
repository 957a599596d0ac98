#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "cloob/data/bad_samples.h"
#include "cloob/image/decode.h"

namespace cloob {

/// What it means for a sample that its image cannot be decoded.
BadKind bad_kind(DecodeErrorKind kind);

/// The size of an image, from its header. Throws BadSample where it has more than `max_image_pixels`, and
/// DecodeError.
ImageSize checked_image_size(std::span<const std::byte> encoded, std::int64_t max_image_pixels);

}  // namespace cloob
