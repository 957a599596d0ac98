#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <string>
#include <vector>

#include "cloob/run/run_config.h"

namespace cloob {

/// Warnings about valid but probably unintended settings of a run that is at `step`.
std::vector<std::string> odd_settings(const RunConfig& config, std::int64_t step, std::int64_t total_steps,
                                      c10::Device device);

}  // namespace cloob
