#pragma once

#include <filesystem>
#include <string>

namespace cloob {

/// Describes a checkpoint folder, the newest checkpoint of a run folder or a weights file as readable text:
/// format, the program that wrote it, progress of the run, then every tensor with type and shape. Files that
/// cannot be imported are described too, with the reason. Tensor data is not read. Throws UserError when the
/// path is none of these.
std::string inspect_as_text(const std::filesystem::path& path);

/// The same as a JSON object: `path`, `format`, `source` or `not_importable`, `num_tensors`,
/// `num_parameters`, `bytes`, `tensors` (name -> `dtype`, `shape`), `metadata`, `notes`; of a checkpoint also
/// `state`, `created_by`, `training`.
std::string inspect_as_json(const std::filesystem::path& path);

}  // namespace cloob
