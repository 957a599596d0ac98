// The files of one checkpoint folder.
#pragma once

#include <cstdint>
#include <filesystem>

#include "cloob/checkpoint/checkpoint.h"

namespace cloob {

/// Writes all files of a checkpoint into an existing folder, each synced, state.json last.
void write_checkpoint_files(const std::filesystem::path& folder, const Checkpoint& checkpoint);

/// The folder itself behind a link (`best`), so that files which are read one after the other are of one
/// checkpoint; the path as it is where it cannot be followed.
std::filesystem::path follow_links(const std::filesystem::path& folder);

/// About how many bytes that takes.
std::uint64_t bytes_needed(const Checkpoint& checkpoint);

}  // namespace cloob
