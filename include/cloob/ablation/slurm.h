// A sweep as job arrays of Slurm, one task for each run.
#pragma once

#include <filesystem>
#include <string>

#include "cloob/ablation/sweep_plan.h"

namespace cloob {

/// A shell script. Started by hand it submits an array for the trials, if there are any, and one for the final runs, which
/// begins when the first has ended; as a task of one of them it trains its run. `working_folder` is where the sweep was
/// planned, from which its paths start.
std::string slurm_script(const SweepPlan& plan, const std::filesystem::path& program,
                         const std::filesystem::path& working_folder, const std::filesystem::path& out);

/// What the plan takes from this machine although the runs are elsewhere. Throws UserError that names the settings.
void require_independent_of_machine(const SweepPlan& plan);

}  // namespace cloob
