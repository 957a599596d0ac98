// Recognizes files that are neither tables nor shards by their content.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace cloob {

/// What a file was opened as; the advice depends on it.
enum class ExpectedContent { table, shard };

/// So many first bytes of a file are enough for `describe_other_content`.
inline constexpr std::size_t kOtherContentBytes = 512;

/// What a file with these first bytes is, if it is known not to be the expected kind, and what to do; nullopt if
/// nothing is recognized. Completes a sentence about the file `path`: "is a Parquet file: ...".
std::optional<std::string> describe_other_content(std::string_view first_bytes, ExpectedContent expected,
                                                  const std::filesystem::path& path);

}  // namespace cloob
