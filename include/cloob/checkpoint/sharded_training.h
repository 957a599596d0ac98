// The training state of a checkpoint in one file a rank: "training-00000-of-00004.safetensors", each with the rank's part of
// every tensor.
#pragma once

#include <filesystem>

#include "cloob/base/collectives.h"
#include "cloob/base/tensor_parts.h"

namespace cloob {

/// Requires that all ranks see the same folder. Throws UserError on those that do not, which names the folder. A collective
/// operation; `folder` is that of rank 0.
void require_shared_folder(const std::filesystem::path& folder, const Collectives& collectives);

/// On ranks other than 0: writes this rank's file of the checkpoint that rank 0 saves (CheckpointStore::save_sharded). A
/// collective operation.
void write_part_of_checkpoint(const TensorParts& parts, const Collectives& collectives);

}  // namespace cloob
