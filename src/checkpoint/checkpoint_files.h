// The files of one checkpoint folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "checkpoint/digest.h"
#include "cloob/checkpoint/checkpoint.h"

namespace cloob {

/// Writes all files of a checkpoint into an existing folder, each synced, state.json last. `others` are files that were written
/// before.
void write_checkpoint_files(const std::filesystem::path& folder, const Checkpoint& checkpoint,
                            std::map<std::string, FileDigest> others = {});

/// The target of a symbolic link (`best`), so that files read one after another are from the same checkpoint;
/// the unchanged path when it cannot be resolved.
std::filesystem::path follow_links(const std::filesystem::path& folder);

/// Approximate size of the files in bytes.
std::uint64_t bytes_needed(const Checkpoint& checkpoint);

}  // namespace cloob
