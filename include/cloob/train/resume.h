// Where a run begins: afresh, or at a checkpoint.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "cloob/checkpoint/checkpoint.h"
#include "cloob/train/run_config.h"
#include "cloob/train/run_directory.h"

namespace cloob {

struct ResumePlan {
  ExistingRun existing = ExistingRun::refuse;
  /// The checkpoint folder to go on from; nothing starts afresh.
  std::optional<std::filesystem::path> checkpoint;
};

/// What `--resume none|auto|PATH` and `--overwrite` mean for a run folder. `auto` takes its newest checkpoint, and starts
/// afresh where it has none. A path belongs to another run, unless it is this run's newest checkpoint. Throws UserError.
ResumePlan plan_resume(const std::filesystem::path& run_dir, const std::string& resume, bool overwrite);

/// Reads the plan's checkpoint, if it has one, and warns about settings that have changed since it was written.
std::optional<Checkpoint> load_checkpoint_to_resume(const ResumePlan& plan, const RunConfig& config);

}  // namespace cloob
