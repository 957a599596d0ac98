#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "cloob/data/source.h"

namespace cloob {

/// Encoded images that are larger are not read.
inline constexpr std::uint64_t kMostImageBytes = std::uint64_t{512} << 20;

/// The bytes of an image file. Throws BadSample.
std::vector<std::byte> read_image_file(const std::filesystem::path& path);

/// Whether a file's name ends like an image's: .jpg .jpeg .png .webp .bmp, in any case of letters.
bool has_image_name(const std::filesystem::path& path);

}  // namespace cloob
