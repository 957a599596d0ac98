// Where a run begins: afresh, or at a checkpoint.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "cloob/checkpoint/checkpoint.h"
#include "cloob/train/run_config.h"
#include "cloob/train/run_directory.h"

namespace cloob {

/// What becomes of a run that the folder already holds, once everything that can fail has been opened.
enum class ExistingRun {
  keep,                 ///< there is none, or it is the one that goes on
  remove_measurements,  ///< it was stopped before its first checkpoint and starts again
  remove                ///< it is replaced
};

struct ResumePlan {
  ExistingRun existing = ExistingRun::keep;
  /// The checkpoint folder to go on from; nothing starts afresh.
  std::optional<std::filesystem::path> checkpoint;
};

/// What `--resume none|auto|PATH` and `--overwrite` mean for a run folder. `auto` takes its newest
/// checkpoint, and starts from the beginning where it has none. A path may name an older checkpoint of this
/// run, whose newer ones are then dropped, or one of another run. Throws UserError, above all when the folder
/// holds a run and nothing says what to do.
ResumePlan plan_resume(const RunDirectory& directory, const std::string& resume, bool overwrite);

/// Reads the plan's checkpoint, if it has one, and warns about settings that have changed since it was
/// written. A precision that `config` leaves open becomes the checkpoint's.
std::optional<Checkpoint> load_checkpoint_to_resume(const ResumePlan& plan, RunConfig& config);

}  // namespace cloob
