// How long a run will take on this machine, for `cloob train --dry-run`.
#pragma once

#include <string>

#include "cloob/base/collectives.h"
#include "cloob/run/run_config.h"
#include "cloob/train/check_run.h"

namespace cloob {

/// Times steps of a few synthetic pairs, takes their time to grow linearly with the batch, and says in lines that begin
/// with "# " how long a step and the whole run will take; the length of an epoch needs the data, which may be missing.
/// Reading and decoding the data is not included, nor are evaluations. Says so and times nothing if memory is too small
/// for the run.
std::string describe_time(const RunConfig& config, const RunCheck& check, const Collectives& collectives);

}  // namespace cloob
