#include "train/odd_settings.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string_view>

#include "cloob/base/memory.h"
#include "cloob/base/text.h"
#include "cloob/model/training_memory.h"
#include "cloob/run/step_shape.h"

namespace cloob {
namespace {

void warn_of_windows(const ScheduleConfig& schedule, std::int64_t total_steps,
                     std::vector<std::string>& warnings) {
  const auto warn_of_late_end = [&](std::optional<std::int64_t> end, std::string_view setting) {
    if (end && *end > total_steps)
      warnings.push_back(
          fmt::format("schedule.{} is {} and the run has {} steps: the schedule does not reach its end",
                      setting, with_thousands(*end), with_thousands(total_steps)));
  };
  warn_of_late_end(schedule.image_end_step, "image_end_step");
  warn_of_late_end(schedule.text_end_step, "text_end_step");
  if (schedule.text_start_step > 0 && schedule.text_start_step + schedule.warmup_steps >= total_steps) {
    warnings.push_back(fmt::format(
        "schedule.text_start_step ({}) and warmup_steps ({}) take all {} steps of the run: the learning rate of everything "
        "but the image tower never reaches optimizer.lr",
        with_thousands(schedule.text_start_step), with_thousands(schedule.warmup_steps),
        with_thousands(total_steps)));
  }
  if (schedule.image_end_step && schedule.text_end_step) {
    const std::int64_t last_end = std::max(*schedule.image_end_step, *schedule.text_end_step);
    if (last_end < total_steps)
      warnings.push_back(fmt::format(
          "schedule.image_end_step and text_end_step both lie before the end of the run: nothing is trained in the last {} steps",
          with_thousands(total_steps - last_end)));
  }
}

}  // namespace

std::vector<std::string> odd_settings(const RunConfig& config, std::int64_t step, std::int64_t total_steps,
                                      c10::Device device) {
  std::vector<std::string> warnings;
  if (step >= total_steps) {
    warnings.push_back(fmt::format(
        "nothing is left to do: the run has completed {} of {} steps. Set train.epochs, steps or samples "
        "higher to continue",
        with_thousands(step), with_thousands(total_steps)));
  }
  const bool starts_at_random = step == 0 && config.train.initial_weights.empty();
  if (starts_at_random && (config.optimizer.image.frozen || config.optimizer.text.frozen)) {
    warnings.push_back(
        fmt::format("optimizer.{}.frozen freezes random weights: set train.initial_weights to a trained "
                    "model",
                    config.optimizer.image.frozen ? "image" : "text"));
  }
  const ScheduleConfig& schedule = config.schedule;
  if (schedule.warmup_steps >= total_steps) {
    warnings.push_back(fmt::format(
        "schedule.warmup_steps is {} and the run has {} steps: the learning rate never reaches optimizer.lr",
        with_thousands(schedule.warmup_steps), with_thousands(total_steps)));
  } else if (schedule.warmup_steps + schedule.cooldown_steps > total_steps) {
    warnings.push_back(fmt::format(
        "schedule.warmup_steps ({}) and cooldown_steps ({}) together exceed the {} steps of the run",
        with_thousands(schedule.warmup_steps), with_thousands(schedule.cooldown_steps),
        with_thousands(total_steps)));
  }
  warn_of_windows(schedule, total_steps, warnings);
  if (config.retrieval.kind == RetrievalKind::hopfield && config.retrieval.warmup_steps >= total_steps) {
    warnings.push_back(fmt::format(
        "retrieval.warmup_steps is {} and the run has {} steps: the retrieved patterns never take full effect",
        with_thousands(config.retrieval.warmup_steps), with_thousands(total_steps)));
  }
  if (config.loss.kind == LossKind::sigmoid && starts_at_random) {
    const auto others = static_cast<double>(config.train.global_batch_size - 1);
    const double taken_for_pairs = others / (1 + std::exp(-config.loss.logit_bias));
    constexpr double kMany = 100;
    if (taken_for_pairs > kMany) {
      warnings.push_back(fmt::format(
          "loss.logit_bias {} takes {:.0f} of the {} other texts of a batch for the image's own at the start: the first "
          "steps only push everything apart. Set it to {:.0f} or lower",
          shortest(config.loss.logit_bias), taken_for_pairs,
          with_thousands(config.train.global_batch_size - 1), std::floor(-std::log(others))));
    }
  }
  if (device.is_cpu() && precision_of(config.train) == Precision::fp16)
    warnings.emplace_back("train.precision fp16 is for GPUs: on the CPU, bf16 and fp32 are faster");
  const TrainingMemory memory = estimate_training_memory(config.model, step_shape(config));
  const std::uint64_t available = available_memory_bytes();
  if (device.is_cpu() && static_cast<std::uint64_t>(memory.peak) > available) {
    warnings.push_back(fmt::format(
        "a step needs about {}, but only {} of memory is available: lower train.global_batch_size, set "
        "train.gradient_cache_parts or gradient_checkpointing, or use a smaller model (see --dry-run)",
        human_bytes(static_cast<std::uint64_t>(memory.peak)), human_bytes(available)));
  }
  return warnings;
}

}  // namespace cloob
