#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "cloob/data/source.h"

namespace cloob {

/// The bytes of an image file. Throws BadSample.
std::vector<std::byte> read_image_file(const std::filesystem::path& path);

/// Whether a file's name ends like an image's: .jpg .jpeg .png .webp .bmp, in any case of letters.
bool has_image_name(const std::filesystem::path& path);

}  // namespace cloob
