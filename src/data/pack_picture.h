#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace cloob {

struct PictureOptions {
  std::optional<std::int64_t> resize;  ///< most pixels of the shorter side
  std::int64_t quality = 95;           ///< of the JPEGs that are made
  std::int64_t max_image_pixels = 0;
};

/// An encoded picture that is fit for a shard.
struct PackedPicture {
  std::string suffix;  ///< "jpg", "png" or "webp"
  std::vector<std::byte> bytes;
};

/// A JPEG, PNG or WebP whose shorter side is small enough comes back byte for byte, once it has been decoded
/// to see that it is whole; anything else becomes a JPEG, reduced to that side by bicubic resampling. Throws
/// BadSample.
PackedPicture pack_picture(std::vector<std::byte> encoded, const PictureOptions& options);

}  // namespace cloob
