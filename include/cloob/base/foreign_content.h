// Files that are not what their names promise: what version control and web servers leave in place of a large file.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string_view>

namespace cloob {

/// So many first bytes of a file are enough for `describe_foreign_content`.
inline constexpr std::size_t kForeignContentBytes = 512;

/// What a file with these first bytes is instead of an image, an archive or weights, and what to do; nullopt if
/// nothing is recognized. Completes a sentence about the file: "a Git LFS pointer (run 'git lfs pull')".
std::optional<std::string_view> describe_foreign_content(std::string_view first_bytes);

/// Throws UserError if a file with these first bytes is such a file.
void reject_foreign_content(const std::filesystem::path& path, std::string_view first_bytes);
/// Reads the first bytes itself.
void reject_foreign_file(const std::filesystem::path& path);

}  // namespace cloob
