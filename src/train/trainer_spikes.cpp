// What a trainer does about steps that its spike guard has skipped.
#include <fmt/core.h>

#include <cmath>
#include <optional>

#include "cloob/base/error.h"
#include "cloob/base/log.h"
#include "cloob/base/text.h"
#include "cloob/train/trainer.h"

namespace cloob {

void Trainer::after_skipped_step(const StepReport& report) {
  const SpikeGuard& guard = *train_step_.spike_guard();
  const double loss = report.loss.item<double>(), norm = report.norms.all.item<double>();
  if (std::isfinite(loss) && std::isfinite(norm)) {
    log_warning("train",
                "step {}: skipped, for its gradient norm is {:.4g} and more than {:.4g} is an outlier",
                with_thousands(state_.step), norm, guard.largest_norm());
  } else {
    log_warning("train", "step {}: skipped, for its loss is {:.4g} and its gradient norm {:.4g}",
                with_thousands(state_.step), std::isnan(loss) ? std::abs(loss) : loss,
                std::isnan(norm) ? std::abs(norm) : norm);
  }
  if (guard.skipped_in_a_row() >= config_.optimizer.spike_guard.rollback_after_steps) roll_back();
}

// Goes back to the newest checkpoint that helps: one from before the skipped steps, and from after an earlier
// rollback, so that every rollback is paid for by steps that were taken and no weights are tried again.
void Trainer::roll_back() {
  const SpikeGuard& guard = *train_step_.spike_guard();
  std::optional<CheckpointEntry> target;
  for (const CheckpointEntry& entry : list_checkpoints(directory_.checkpoints())) {
    if (entry.step < guard.first_skipped_step() && entry.step > rolled_back_at_) target = entry;
  }
  if (!target) {
    throw_user_error(
        "step {}: training became unstable: {} steps in a row were skipped, and there is no checkpoint from "
        "before them{} to go back to; start from an earlier one or anew, with a lower optimizer.lr, a longer "
        "schedule.warmup_steps or optimizer.grad_clip_norm set (checkpoint.every_steps and keep_last decide "
        "what is kept)",
        state_.step, guard.skipped_in_a_row(),
        rolled_back_at_ < 0 ? "" : fmt::format(" and after the last time, at step {},", rolled_back_at_));
  }
  const Checkpoint checkpoint = load_checkpoint(target->path, CheckpointPart::everything);
  train_step_.roll_back(checkpoint.weights, checkpoint.training);
  rolled_back_at_ = state_.step;
  log_warning("train", "step {}: the weights and the optimizer have gone back to {}; data and schedule go on",
              with_thousands(state_.step), target->path.string());
}

}  // namespace cloob
