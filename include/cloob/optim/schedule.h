#pragma once

#include <cstdint>

#include "cloob/optim/optim_config.h"
#include "cloob/optim/reference.h"

namespace cloob {

/// The learning rate of optimizer step `step` (counted from 0) in a run of `total_steps` steps.
///
/// During warm-up the factor is (step + 1) / warmup_steps for open_clip and step / warmup_steps, which starts
/// at 0, for cloob. A cooldown is counted from the end of the run and does not begin before the end of the
/// warm-up. After the last step the plain cosine rises again, as in both codes.
double lr_at(const ScheduleConfig& schedule, double base_lr, Reference reference, std::int64_t step,
             std::int64_t total_steps);

}  // namespace cloob
