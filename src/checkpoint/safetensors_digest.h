// Reading and writing safetensors with the checksum that checkpoints keep, in the same pass over the bytes.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "checkpoint/digest.h"
#include "cloob/checkpoint/safetensors.h"

namespace cloob {

/// Like read_safetensors; `digest` receives size and checksum of what was read.
SafetensorsFile read_safetensors(const std::filesystem::path& path, FileDigest& digest);

/// Writes to `path` itself, synced but not atomically: for files in a folder that is renamed as a whole.
FileDigest write_safetensors_in_place(const std::filesystem::path& path, const NamedTensors& tensors,
                                      const std::map<std::string, std::string>& metadata);

}  // namespace cloob
