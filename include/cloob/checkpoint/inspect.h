#pragma once

#include <filesystem>
#include <string>

namespace cloob {

/// What a checkpoint folder, a run folder's newest checkpoint or a weights file holds, as text for people:
/// format, who wrote it, position of the run, then every tensor with type and shape. Files that cannot be
/// imported are described too, with the reason. Tensors are not read. Throws UserError when the path holds
/// none of these.
std::string inspect_as_text(const std::filesystem::path& path);

/// The same as a JSON object: `path`, `format`, `source` or `not_importable`, `num_tensors`,
/// `num_parameters`, `bytes`, `tensors` (name -> `dtype`, `shape`), `metadata`, `notes`; of a checkpoint also
/// `state`, `created_by`, `training`.
std::string inspect_as_json(const std::filesystem::path& path);

}  // namespace cloob
