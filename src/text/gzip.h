#pragma once

#include <filesystem>
#include <string>

namespace cloob {

/// The content of a gzip file. Throws UserError when it cannot be read, is not a gzip file or is truncated.
std::string read_gzip_file(const std::filesystem::path& path);

}  // namespace cloob
