#include "cloob/optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <optional>

namespace cloob {
namespace {

double half_cosine(double progress) { return 0.5 * (1 + std::cos(std::numbers::pi * progress)); }

double cosine_with_restarts(double progress, std::int64_t cycles) {
  if (progress >= 1) return 0;
  return half_cosine(std::fmod(static_cast<double>(cycles) * progress, 1.0));
}

double cooldown_lr(const ScheduleConfig& schedule, double base_lr, std::int64_t step,
                   std::int64_t total_steps) {
  const std::int64_t steps_left = std::max<std::int64_t>(0, total_steps - step);
  if (steps_left > schedule.cooldown_steps) return base_lr;
  const double remaining = static_cast<double>(steps_left) /
                           static_cast<double>(std::max<std::int64_t>(1, schedule.cooldown_steps));
  return std::pow(remaining, schedule.cooldown_power) * (base_lr - schedule.cooldown_end_lr) +
         schedule.cooldown_end_lr;
}

}  // namespace

double lr_at(const ScheduleConfig& schedule, double base_lr, Reference reference, std::int64_t step,
             std::int64_t total_steps) {
  const std::int64_t warmup_steps = schedule.warmup_steps;
  if (step < warmup_steps) {
    const std::int64_t warmup_progress = reference == Reference::cloob ? step : step + 1;
    return base_lr * static_cast<double>(warmup_progress) / static_cast<double>(warmup_steps);
  }
  const auto steps_after_warmup = static_cast<double>(std::max<std::int64_t>(1, total_steps - warmup_steps));
  const double progress = static_cast<double>(step - warmup_steps) / steps_after_warmup;
  switch (schedule.kind) {
    case ScheduleKind::cosine:
      return base_lr * half_cosine(progress);
    case ScheduleKind::cosine_restarts:
      return base_lr * cosine_with_restarts(progress, schedule.restart_cycles);
    case ScheduleKind::constant:
      return base_lr;
    case ScheduleKind::constant_cooldown:
      break;
  }
  return cooldown_lr(schedule, base_lr, step, total_steps);
}

LearningRates learning_rates_at(const ScheduleConfig& schedule, double base_lr, Reference reference,
                                std::int64_t step, std::int64_t total_steps) {
  const auto in_window = [&](std::int64_t start, std::optional<std::int64_t> end) {
    if (step < start || (end && step >= *end)) return 0.0;
    return lr_at(schedule, base_lr, reference, step - start, end.value_or(total_steps) - start);
  };
  return {.image = in_window(0, schedule.image_end_step),
          .other = in_window(schedule.text_start_step, schedule.text_end_step)};
}

ScheduleConfig with_image_locked_from(std::int64_t step, ScheduleConfig schedule) {
  schedule.image_end_step = std::min(step, schedule.image_end_step.value_or(step));
  return schedule;
}

}  // namespace cloob
