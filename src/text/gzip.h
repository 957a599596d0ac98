#pragma once

#include <filesystem>
#include <string>

namespace cloob {

/// The content of a gzip file. Throws UserError when it cannot be read, is no gzip file or ends too early.
std::string read_gzip_file(const std::filesystem::path& path);

}  // namespace cloob
