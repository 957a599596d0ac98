// Reading and writing safetensors with the checksum that checkpoints store, in a single pass over the bytes.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "checkpoint/digest.h"
#include "cloob/checkpoint/safetensors.h"

namespace cloob {

/// Like read_safetensors; `digest` receives size and checksum of the file.
SafetensorsFile read_safetensors(const std::filesystem::path& path, FileDigest& digest);

/// Writes directly to `path`, synced but not atomically: for files in a folder that is renamed when it is
/// complete.
FileDigest write_safetensors_in_place(const std::filesystem::path& path, const NamedTensors& tensors,
                                      const std::map<std::string, std::string>& metadata);

}  // namespace cloob
