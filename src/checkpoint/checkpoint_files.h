// The files of one checkpoint folder.
#pragma once

#include <cstdint>
#include <filesystem>

#include "cloob/checkpoint/checkpoint.h"

namespace cloob {

/// Writes all files of a checkpoint into an existing folder, each synced, state.json last.
void write_checkpoint_files(const std::filesystem::path& folder, const Checkpoint& checkpoint);

/// About how many bytes that takes.
std::uint64_t bytes_needed(const Checkpoint& checkpoint);

}  // namespace cloob
