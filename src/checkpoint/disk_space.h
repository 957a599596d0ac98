#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace cloob {

/// Free bytes of the file system of a folder; the largest number if they are not known.
std::uint64_t free_bytes(const std::filesystem::path& folder);

/// For the end of a message about a checkpoint that could not be written: how much it needs, and what to do. Empty if so much is
/// free.
std::string describe_shortage(const std::filesystem::path& folder, std::uint64_t needed, std::uint64_t free);

}  // namespace cloob
