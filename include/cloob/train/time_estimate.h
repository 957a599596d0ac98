// How long a run will take on this machine, for `cloob train --dry-run`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "cloob/base/collectives.h"
#include "cloob/run/run_config.h"
#include "cloob/train/check_run.h"

namespace cloob {

/// What was measured on steps of a few synthetic pairs.
struct StepTime {
  std::int64_t few = 0, many = 0;  ///< pairs of the two steps
  double of_many = 0;              ///< seconds of the larger one
  double per_pair = 0;             ///< seconds that one more pair takes

  /// Of a step of such a model with the batch of `config`.
  double seconds(const RunConfig& config) const;
};

/// Times steps of the run on this machine; nothing if memory is too small for the run, or if its steps read no pairs.
std::optional<StepTime> measure_step(const RunConfig& config, const Collectives& collectives);

/// Times steps of a few synthetic pairs, takes their time to grow linearly with the batch, and says in lines that begin
/// with "# " how long a step and the whole run will take; the length of an epoch needs the data, which may be missing.
/// Reading and decoding the data is not included, nor are evaluations. Says so and times nothing if memory is too small
/// for the run.
std::string describe_time(const RunConfig& config, const RunCheck& check, const Collectives& collectives);

}  // namespace cloob
