#include "train/rollback.h"

#include <fmt/core.h>

#include <cmath>

#include "cloob/base/error.h"
#include "cloob/base/log.h"
#include "cloob/base/text.h"

namespace cloob {

void warn_of_skipped_step(std::int64_t step, const StepReport& report, const SpikeGuard& guard) {
  const double loss = report.loss.item<double>(), norm = report.norms.all.item<double>();
  if (std::isfinite(loss) && std::isfinite(norm)) {
    log_warning("train",
                "step {} skipped: its gradient norm is {:.4g}, and anything above {:.4g} is an outlier",
                with_thousands(step), norm, guard.largest_norm());
    return;
  }
  // The sign of a NaN is meaningless.
  const auto shown = [](double number) { return std::isnan(number) ? std::abs(number) : number; };
  log_warning("train", "step {} skipped: its loss is {:.4g} and its gradient norm is {:.4g}",
              with_thousands(step), shown(loss), shown(norm));
}

std::optional<CheckpointEntry> rollback_target(const std::filesystem::path& checkpoints,
                                               const SpikeGuard& guard, std::int64_t rolled_back_at) {
  std::optional<CheckpointEntry> target;
  for (const CheckpointEntry& entry : list_checkpoints(checkpoints)) {
    if (entry.step < guard.first_skipped_step() && entry.step > rolled_back_at) target = entry;
  }
  return target;
}

void throw_no_rollback_target(std::int64_t step, const SpikeGuard& guard, std::int64_t rolled_back_at) {
  throw_user_error(
      "step {}: training became unstable: {} steps in a row were skipped, and there is no checkpoint from "
      "before them{} to roll back to; start from an earlier one or from the beginning, with a lower "
      "optimizer.lr, a longer schedule.warmup_steps or optimizer.grad_clip_norm set (checkpoint.every_steps "
      "and keep_last determine which checkpoints exist)",
      step, guard.skipped_in_a_row(),
      rolled_back_at < 0 ? "" : fmt::format(" and after the last rollback, at step {},", rolled_back_at));
}

}  // namespace cloob
