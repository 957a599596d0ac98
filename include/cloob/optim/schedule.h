#pragma once

#include <cstdint>

#include "cloob/optim/learning_rates.h"
#include "cloob/optim/optim_config.h"
#include "cloob/optim/reference.h"

namespace cloob {

/// The learning rate of optimizer step `step` (counted from 0) in a run of `total_steps` steps of one window.
///
/// During warm-up the factor is (step + 1) / warmup_steps for open_clip and protoclip and step / warmup_steps,
/// which starts at 0, for cloob. A cooldown is counted from the end of the run and does not begin before the end of the
/// warm-up. After the last step the plain cosine rises again, as in both codes.
double lr_at(const ScheduleConfig& schedule, double base_lr, Reference reference, std::int64_t step,
             std::int64_t total_steps);

/// The same with the windows of the schedule: that of the image tower ends at `image_end_step`, that of everything else begins
/// at `text_start_step` and ends at `text_end_step`. A window has the whole schedule, as a run of its length would,
/// and learning rates are 0 outside of it.
LearningRates learning_rates_at(const ScheduleConfig& schedule, double base_lr, Reference reference,
                                std::int64_t step, std::int64_t total_steps);

/// The schedule with the window of the image tower ending at `step` or earlier: for a task that locks the tower
/// at the end of a run.
ScheduleConfig with_image_locked_from(std::int64_t step, ScheduleConfig schedule);

}  // namespace cloob
