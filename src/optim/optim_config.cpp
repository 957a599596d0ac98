#include "cloob/optim/optim_config.h"

#include "cloob/base/error.h"

namespace cloob {

void ScheduleConfig::validate() const {
  if (kind == ScheduleKind::constant_cooldown && cooldown_steps == 0) {
    throw_user_error(
        "schedule.kind is constant_cooldown but schedule.cooldown_steps is 0: set how many steps the "
        "cooldown lasts, or choose schedule.kind constant");
  }
}

std::vector<std::string> settings_without_effect(const ScheduleConfig& schedule) {
  const ScheduleConfig usual;
  std::vector<std::string> ignored;
  const auto report = [&](bool differs, ScheduleKind owner, std::string_view setting) {
    if (!differs || schedule.kind == owner) return;
    ignored.push_back(fmt::format("schedule.{} (schedule.kind is {})", setting, enum_name(schedule.kind)));
  };
  report(schedule.restart_cycles != usual.restart_cycles, ScheduleKind::cosine_restarts, "restart_cycles");
  report(schedule.cooldown_steps != usual.cooldown_steps, ScheduleKind::constant_cooldown, "cooldown_steps");
  report(schedule.cooldown_end_lr != usual.cooldown_end_lr, ScheduleKind::constant_cooldown,
         "cooldown_end_lr");
  report(schedule.cooldown_power != usual.cooldown_power, ScheduleKind::constant_cooldown, "cooldown_power");
  return ignored;
}

}  // namespace cloob
