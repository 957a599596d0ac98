#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cloob/ablation/results.h"
#include "cloob/ablation/sweep_plan.h"
#include "cloob/base/collectives.h"

namespace cloob {

/// The runs with their steps and the time that the rest of them will take on this machine, as `describe_time` estimates it:
/// a step of every model is timed. `parallel` runs at once share the machine.
std::string describe_plan(const SweepPlan& plan, const std::vector<RunResult>& results, std::int64_t parallel,
                          std::int64_t num_gpus, const Collectives& collectives);

}  // namespace cloob
