#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cloob/base/collectives.h"
#include "cloob/run/run_config.h"

namespace cloob {

/// What is known about a run before it starts.
struct RunCheck {
  std::vector<std::string>
      errors;  ///< with which it would end at its start; each names its setting or its file
  std::vector<std::string> warnings;  ///< odd settings
  std::optional<std::int64_t>
      steps;  ///< optimizer steps; unknown if they follow from data that cannot be opened
  std::vector<std::string> metrics = {};  ///< names of those of its evaluations; none after an error
};

/// Opens the data and the evaluations of a run as its start does.
RunCheck check_run(const RunConfig& config, const Collectives& collectives);

}  // namespace cloob
