#include "cloob/train/time_estimate.h"

#include <fmt/core.h>

#include <algorithm>
#include <vector>

#include "cloob/base/memory.h"
#include "cloob/base/text.h"
#include "cloob/device/device.h"
#include "cloob/model/flops.h"
#include "cloob/model/training_memory.h"
#include "cloob/run/step_shape.h"
#include "cloob/train/step_benchmark.h"

namespace cloob {
namespace {

// About this much work takes a few seconds on two cores. Two pairs are the least that a loss can use.
std::int64_t pairs_to_time(const RunConfig& config) {
  constexpr double kFlops = 1e11;
  const Flops flops = count_flops(config.model);
  const auto pairs =
      static_cast<std::int64_t>(kFlops / (3.0 * static_cast<double>(flops.image + flops.text)));
  return std::clamp<std::int64_t>(pairs, 2, config.train.global_batch_size);
}

}  // namespace

double StepTime::seconds(const RunConfig& config) const {
  const double once_more =
      config.train.gradient_cache_parts > 1 ? 4.0 / 3.0 : 1.0;  // every pair is encoded twice
  return once_more * (of_many + per_pair * static_cast<double>(config.train.global_batch_size - many));
}

std::optional<StepTime> measure_step(const RunConfig& config, const Collectives& collectives) {
  if (!reads_samples(config.task.kind)) return std::nullopt;
  const auto needed =
      static_cast<std::uint64_t>(estimate_training_memory(config.model, step_shape(config)).peak);
  if (select_device(config.train.device).is_cpu() && needed > available_memory_bytes()) return std::nullopt;
  constexpr std::int64_t kCaptionTokens = 16;  // photographs have captions of about ten words
  const std::vector<std::int64_t> lengths = {std::min(kCaptionTokens, config.model.text.context_length)};
  const auto seconds_of = [&](std::int64_t pairs) {
    RunConfig timed = config;
    timed.train.global_batch_size = pairs;
    timed.train.gradient_cache_parts = 1;
    return benchmark_step({timed, /*steps=*/1, lengths}, collectives).seconds;
  };
  // The update of the weights takes the same time for any batch.
  const std::int64_t many = pairs_to_time(config), few = std::max<std::int64_t>(2, many / 3);
  const double of_many = seconds_of(many);
  const double per_pair = few < many
                              ? std::max(0.0, of_many - seconds_of(few)) / static_cast<double>(many - few)
                              : of_many / static_cast<double>(many);
  return StepTime{.few = few, .many = many, .of_many = of_many, .per_pair = per_pair};
}

std::string describe_time(const RunConfig& config, const RunCheck& check, const Collectives& collectives) {
  if (config.task.kind == TaskKind::reco) {
    return "# the time is that of encoding all pairs once, which 'cloob memory build' on the same data takes as well, and "
           "little more\n";
  }
  const auto time = measure_step(config, collectives);
  if (!time) {
    return fmt::format(
        "# a step needs more memory than is available here ({}), so its time was not measured\n",
        human_bytes(available_memory_bytes()));
  }
  const double seconds = time->seconds(config);
  const std::string text = fmt::format(
      "# estimated time on this machine, from steps of {} and {} pairs of noise, without reading data and evaluations\n"
      "# {:<22}  {:>10}\n",
      time->few, time->many,
      fmt::format("a step of {} pairs", with_thousands(config.train.global_batch_size)),
      human_seconds(seconds));
  if (check.steps) {
    return text + fmt::format("# {:<22}  {:>10}\n", counted(*check.steps, "step"),
                              human_seconds(seconds * static_cast<double>(*check.steps)));
  }
  return text + fmt::format("# the number of steps is not known: {}\n", check.errors.front());
}

}  // namespace cloob
