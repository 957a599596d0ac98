#pragma once

#include <string>
#include <vector>

#include "cloob/config/config.h"
#include "cloob/run/run_config.h"

namespace cloob {

/// Human-readable description of a run: all settings with their origins, parameters, FLOPs and memory. Reads
/// no data.
std::string describe_run(const RunConfig& config, const Origins& origins);

/// Settings that were set but have no effect in this run, each with the reason.
std::vector<std::string> settings_without_effect(const RunConfig& config, const Origins& origins);

/// What is missing of the data that the settings name, one message for each setting; opens no file.
std::vector<std::string> missing_data(const RunConfig& config);

}  // namespace cloob
