#pragma once

#include <string>
#include <vector>

#include "cloob/config/config.h"
#include "cloob/train/run_config.h"

namespace cloob {

/// All settings with their origins, then parameters, FLOPs and memory of the run, as text for a person. Reads
/// no data.
std::string describe_run(const RunConfig& config, const Origins& origins);

/// Settings that were set but change nothing in this run, each with the reason.
std::vector<std::string> settings_without_effect(const RunConfig& config, const Origins& origins);

}  // namespace cloob
