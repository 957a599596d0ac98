#include "cloob/ablation/describe_plan.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <optional>

#include "cloob/base/error.h"
#include "cloob/base/parallel.h"
#include "cloob/base/text.h"
#include "cloob/config/config.h"
#include "cloob/device/device.h"
#include "cloob/train/time_estimate.h"

namespace cloob {
namespace {

// Runs whose steps take the same time, but for the size of the batch.
std::string cost_key(const RunConfig& config) {
  std::string key;
  for (const auto& [name, value] : setting_values(config)) {
    const bool matters = name.starts_with("model.") || name == "train.precision" || name == "train.device" ||
                         name == "train.gradient_checkpointing" || name.ends_with(".frozen");
    if (matters) key += fmt::format("{}={}\n", name, value);
  }
  return key;
}

class Estimates {
 public:
  explicit Estimates(const Collectives& collectives) : collectives_(collectives) {}

  // Of a step of the run; nothing if it cannot be known here.
  std::optional<double> seconds_of(const RunConfig& config) {
    const std::string key = cost_key(config);
    if (!known_.contains(key)) known_[key] = measure(config);
    return known_[key] ? std::optional(known_[key]->seconds(config)) : std::nullopt;
  }

 private:
  std::optional<StepTime> measure(const RunConfig& config) const {
    try {
      return measure_step(config, collectives_);
    } catch (const UserError&) {  // the GPU is on another machine
      return std::nullopt;
    }
  }

  const Collectives& collectives_;
  std::map<std::string, std::optional<StepTime>> known_;
};

std::string headline(const SweepPlan& plan) {
  const auto num_trials =
      std::ranges::count_if(plan.runs, [](const ResolvedRun& run) { return run.run.kind == RunKind::trial; });
  const auto num_finals = std::ssize(plan.runs) - num_trials;
  const std::string trials = num_trials > 0 ? counted(num_trials, "trial") + " and " : "";
  return fmt::format("# sweep {}: {}{}, each with {} on the {}\n", plan.sweep.config.name, trials,
                     counted(num_finals, num_trials > 0 ? "final run" : "run"),
                     counted(plan.fixed.threads, "CPU thread"),
                     plan.fixed.device == DeviceChoice::cuda ? "GPU" : "CPU");
}

}  // namespace

std::string describe_plan(const SweepPlan& plan, const std::vector<RunResult>& results, std::int64_t parallel,
                          std::int64_t num_gpus, const Collectives& collectives) {
  constexpr std::size_t kMaxRows = 200;
  set_num_threads(plan.fixed.threads);
  Estimates estimates(collectives);
  std::size_t width = 8;
  for (const ResolvedRun& run : plan.runs) width = std::max(width, run.run.name.size());
  const auto row = [&](std::string_view begin, std::string_view run, std::string_view steps,
                       std::string_view step, std::string_view all) {
    return fmt::format("{} {:<{}}  {:>10}  {:>8}  {:>9}\n", begin, run, width, steps, step, all);
  };
  const auto time_text = [](const std::optional<double>& seconds) {
    return seconds ? human_seconds(*seconds) : "?";
  };
  const auto steps_text = [](const std::optional<std::int64_t>& steps) {
    return steps ? with_thousands(*steps) : "?";
  };
  std::string text = headline(plan) + row("#", "run", "steps", "a step", "estimate");
  std::optional<std::int64_t> total_steps = 0;
  std::optional<double> total_seconds = 0.0;
  std::int64_t left = 0;
  for (std::size_t i = 0; i < plan.runs.size(); ++i) {
    const ResolvedRun& run = plan.runs[i];
    const bool is_done = results[i].status == RunStatus::done;
    const auto of_step = estimates.seconds_of(run.config);
    std::optional<double> seconds;
    if (of_step && run.steps)
      seconds = *of_step * static_cast<double>(std::max<std::int64_t>(0, *run.steps - results[i].steps));
    if (is_done) seconds = 0.0;
    if (!is_done) ++left;
    total_steps = total_steps && run.steps ? std::optional(*total_steps + *run.steps) : std::nullopt;
    total_seconds = total_seconds && seconds ? std::optional(*total_seconds + *seconds) : std::nullopt;
    if (i == kMaxRows) text += fmt::format("# and {} more\n", plan.runs.size() - kMaxRows);
    if (i < kMaxRows)
      text += row(" ", run.run.name, steps_text(run.steps), time_text(of_step),
                  is_done ? "done" : time_text(seconds));
  }
  text += row("#", left == std::ssize(plan.runs) ? "all" : fmt::format("all, {} left", left),
              steps_text(total_steps), "", time_text(total_seconds));
  text += "# estimated for this machine and one run at a time, without reading data and evaluations\n";
  if (total_seconds && parallel > 1) {
    const std::int64_t cores = std::max<std::int64_t>(1, resolve_threads(0) / plan.fixed.threads);
    const std::int64_t useful = std::min(parallel, num_gpus > 0 ? num_gpus : cores);
    text += fmt::format("# {} at once: at least {}{}\n", parallel,
                        human_seconds(*total_seconds / static_cast<double>(useful)),
                        useful < parallel ? ", because they share processors" : "");
  }
  return text;
}

}  // namespace cloob
