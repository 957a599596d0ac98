// Where a run starts: from the beginning, or from a checkpoint.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "cloob/base/collectives.h"
#include "cloob/checkpoint/checkpoint.h"
#include "cloob/run/run_config.h"
#include "cloob/run/run_directory.h"

namespace cloob {

/// What to do with a run that the folder already contains, after everything that can fail has been opened.
enum class ExistingRun {
  keep,                 ///< there is none, or it is the one to continue
  remove_measurements,  ///< it was stopped before its first checkpoint and is restarted
  remove                ///< it is replaced
};

struct ResumePlan {
  ExistingRun existing = ExistingRun::keep;
  /// The checkpoint folder to resume from; nullopt starts from the beginning.
  std::optional<std::filesystem::path> checkpoint;
};

/// Resolves `--resume none|auto|PATH` and `--overwrite` for a run folder. `auto` uses its newest checkpoint,
/// or starts from the beginning if it has none. PATH may be an older checkpoint of this run, in which case
/// newer ones are removed, or a checkpoint of another run. Throws UserError, in particular if the folder
/// contains a run and neither option says what to do with it.
ResumePlan plan_resume(const RunDirectory& directory, const std::string& resume, bool overwrite);

/// Loads the plan's checkpoint, if it has one, on rank 0 and gives it to the other ranks, whose plans are ignored. Warns
/// about settings that have changed since it was written. An unset precision in `config` is set to the checkpoint's.
std::optional<Checkpoint> load_checkpoint_to_resume(const ResumePlan& plan, RunConfig& config,
                                                    const Collectives& collectives);

}  // namespace cloob
