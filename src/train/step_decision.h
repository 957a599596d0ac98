// Collective decisions in each step: a rank that decided on its own would leave the others waiting.
#pragma once

#include <cstdint>
#include <vector>

#include "cloob/base/collectives.h"

namespace cloob {

/// The information of one rank at the start of a step.
struct StepVote {
  bool has_failed = false;       ///< its next batch cannot be read
  int stop_signal = 0;           ///< that it received, or 0
  bool save_is_due = false;      ///< by its clock
  std::int64_t num_samples = 0;  ///< usable samples in its part of the batch
  std::int64_t num_bad = 0;      ///< unusable ones
  double own_seconds = 0;        ///< of the step before, without waiting for others
};

/// The decision for all ranks.
struct StepDecision {
  bool has_failure = false;              ///< a rank has failed: save and end before this step
  int stop_signal = 0;                   ///< not 0: stop before this step
  bool saves = false;                    ///< save after this step
  std::int64_t num_samples = 0;          ///< usable samples on all ranks
  std::int64_t num_bad = 0;              ///< unusable ones
  std::vector<double> own_seconds = {};  ///< by rank
};

/// A collective operation: every rank must call it once per step.
StepDecision decide(const StepVote& vote, const Collectives& collectives);

}  // namespace cloob
