#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace cloob {

struct PackImageOptions {
  std::optional<std::int64_t> resize;  ///< maximum length of the shorter side
  std::int64_t quality = 95;           ///< of newly encoded JPEGs
  std::int64_t max_image_pixels = 0;
};

/// An encoded image, ready for a shard.
struct PackedImage {
  std::string suffix;  ///< "jpg", "png" or "webp"
  std::vector<std::byte> bytes;
};

/// A JPEG, PNG or WebP whose shorter side is small enough is returned byte for byte, after decoding it to
/// check that it is complete; anything else becomes a JPEG, reduced to that side by bicubic resampling.
/// Throws BadSample.
PackedImage pack_image(std::vector<std::byte> encoded, const PackImageOptions& options);

}  // namespace cloob
