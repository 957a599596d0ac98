// The safetensors format, in which weights, training state and golden files are stored and exchanged with
// other programs.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "cloob/base/named_tensors.h"

namespace cloob {

struct SafetensorsFile {
  NamedTensors tensors;
  std::map<std::string, std::string> metadata;
};

/// Reads all tensors into new memory (CPU, contiguous).
///
/// Nothing in the file is trusted: lengths, offsets, shapes and names are validated against the file size
/// before anything is allocated. Throws a UserError of one line that names the file and the tensor.
SafetensorsFile read_safetensors(const std::filesystem::path& path);

/// Reads only the tensors whose names are `wanted`; the entire header is validated.
NamedTensors read_safetensors(const std::filesystem::path& path,
                              const std::function<bool(std::string_view name)>& wanted);

/// Writes the tensors, from any device and with any strides; the same content gives the same bytes.
///
/// Files, pipes and links are handled as by `write_file_atomically`: a crash or a full disk leaves the old
/// file. Throws UserError when the file cannot be written.
void write_safetensors(const std::filesystem::path& path, const NamedTensors& tensors,
                       const std::map<std::string, std::string>& metadata);

}  // namespace cloob
