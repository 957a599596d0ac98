// Encoded images: reading them, and which BadKind it is if they cannot be used.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cloob/data/bad_samples.h"
#include "cloob/data/source.h"
#include "cloob/image/decode.h"

namespace cloob {

/// The bytes of an image file. Throws BadSample, also above kMaxEncodedBytes.
std::vector<std::byte> read_image_file(const std::filesystem::path& path);

/// Counts the files of image types that are not decoded, which would otherwise be passed over without a word.
class UndecodedFiles {
 public:
  /// Counts the file if its extension is one of those: .tif, .avif, .ppm, ...
  void add(const std::filesystem::path& path);
  bool empty() const { return counts_.empty(); }
  /// "12 .avif, 1 .tif".
  std::string describe() const;

 private:
  std::map<std::string, std::int64_t> counts_;  // by extension
};

/// The unusable sample that a decoding error of this image means. What stands in place of images that were not
/// downloaded is recognized.
BadSample bad_image(const DecodeError& error, std::span<const std::byte> encoded);

/// The size of an image, from its header. Throws BadSample if it has more than `max_image_pixels`, and
/// DecodeError.
ImageSize checked_image_size(std::span<const std::byte> encoded, std::int64_t max_image_pixels);

}  // namespace cloob
