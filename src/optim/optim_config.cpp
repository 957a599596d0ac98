#include "cloob/optim/optim_config.h"

#include "cloob/base/error.h"

namespace cloob {
namespace {

// A warm-up that outlasts its window would never reach the peak.
void require_steps_after_warmup(const ScheduleConfig& schedule, std::int64_t start,
                                std::optional<std::int64_t> end, std::string_view setting) {
  if (!end || *end - start > schedule.warmup_steps) return;
  const std::string from = start > 0 ? fmt::format(" from schedule.text_start_step ({})", start) : "";
  throw_user_error(
      "schedule.{0} is {1}, but schedule.warmup_steps ({2}){3} last until step {4}: set schedule.{0} to more than {4}, or "
      "schedule.warmup_steps lower",
      setting, *end, schedule.warmup_steps, from, start + schedule.warmup_steps);
}

}  // namespace

void OptimizerConfig::validate() const {
  if (image.frozen && text.frozen) {
    throw_user_error(
        "optimizer.image.frozen and optimizer.text.frozen are both set: at least one tower must be trained");
  }
  if (lr == 0.0 && (image.lr.value_or(0.0) > 0.0 || text.lr.value_or(0.0) > 0.0)) {
    throw_user_error(
        "optimizer.lr is 0 but a tower has its own learning rate, which follows the schedule in proportion "
        "to optimizer.lr: set optimizer.lr, and set {} if that tower must not be trained",
        image.lr.value_or(0.0) > 0.0 ? "optimizer.text.frozen" : "optimizer.image.frozen");
  }
}

void ScheduleConfig::validate() const {
  if (kind == ScheduleKind::constant_cooldown && cooldown_steps == 0) {
    throw_user_error(
        "schedule.kind is constant_cooldown but schedule.cooldown_steps is 0: set the number of cooldown "
        "steps, or set schedule.kind to constant");
  }
  require_steps_after_warmup(*this, 0, image_end_step, "image_end_step");
  require_steps_after_warmup(*this, text_start_step, text_end_step, "text_end_step");
  if (image_end_step && text_start_step > *image_end_step) {
    throw_user_error(
        "schedule.image_end_step is {} and schedule.text_start_step is {}: nothing would be trained in between; "
        "let one begin where the other ends, or earlier",
        *image_end_step, text_start_step);
  }
}

std::vector<std::string> settings_without_effect(const ScheduleConfig& schedule) {
  const ScheduleConfig defaults;
  std::vector<std::string> ignored;
  const auto report = [&](bool differs, ScheduleKind owner, std::string_view setting) {
    if (!differs || schedule.kind == owner) return;
    ignored.push_back(fmt::format("schedule.{} (schedule.kind is {})", setting, enum_name(schedule.kind)));
  };
  report(schedule.restart_cycles != defaults.restart_cycles, ScheduleKind::cosine_restarts, "restart_cycles");
  report(schedule.cooldown_steps != defaults.cooldown_steps, ScheduleKind::constant_cooldown,
         "cooldown_steps");
  report(schedule.cooldown_end_lr != defaults.cooldown_end_lr, ScheduleKind::constant_cooldown,
         "cooldown_end_lr");
  report(schedule.cooldown_power != defaults.cooldown_power, ScheduleKind::constant_cooldown,
         "cooldown_power");
  return ignored;
}

std::vector<std::string> settings_without_effect(const OptimizerConfig& optimizer) {
  std::vector<std::string> ignored;
  const auto report_tower = [&](const TowerOptimizerConfig& tower, std::string_view name) {
    if (!tower.frozen) return;
    const auto report = [&](bool differs, std::string_view setting) {
      if (differs)
        ignored.push_back(fmt::format("optimizer.{0}.{1} (optimizer.{0}.frozen is set)", name, setting));
    };
    report(tower.lr.has_value(), "lr");
    report(tower.layer_decay != TowerOptimizerConfig{}.layer_decay, "layer_decay");
  };
  report_tower(optimizer.image, "image");
  report_tower(optimizer.text, "text");
  const SpikeGuardConfig defaults;
  const auto report_guard = [&](bool differs, std::string_view setting) {
    if (differs && !optimizer.spike_guard.enabled) {
      ignored.push_back(
          fmt::format("optimizer.spike_guard.{} (optimizer.spike_guard.enabled is false)", setting));
    }
  };
  report_guard(optimizer.spike_guard.max_norm_ratio != defaults.max_norm_ratio, "max_norm_ratio");
  report_guard(optimizer.spike_guard.rollback_after_steps != defaults.rollback_after_steps,
               "rollback_after_steps");
  return ignored;
}

}  // namespace cloob
