// The beginning of a file, by which its format is recognized.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

#include "cloob/base/files.h"

namespace cloob {

/// The first `count` bytes, or all of a shorter file. Throws UserError when it cannot be read.
std::string first_bytes_of(const RandomAccessFile& file, std::size_t count);
std::string first_bytes_of(const std::filesystem::path& path, std::size_t count);

}  // namespace cloob
