#pragma once

#include <cstdint>

#include "cloob/optim/optim_config.h"
#include "cloob/optim/reference.h"

namespace cloob {

/// Learning rate of optimizer step `step` (from 0) in a run of `total_steps` steps; a pure function.
///
/// Warm-up rises by (step + 1) / warmup_steps in open_clip and by step / warmup_steps, so from 0, in CLOOB. A
/// cooldown counts from the end of the run and waits for the end of the warm-up. Past the last step the plain
/// cosine rises again, as in both codes.
double lr_at(const ScheduleConfig& schedule, double base_lr, Reference reference, std::int64_t step,
             std::int64_t total_steps);

}  // namespace cloob
