// The arguments that the benchmarks of a training step have in common.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/caption_lengths.h"
#include "cloob/device/autocast.h"
#include "cloob/objective/objective_system.h"
#include "cloob/train/step_benchmark.h"

namespace CLI {
class App;
}

namespace cloob {

struct StepArguments {
  std::string model;
  std::optional<ObjectiveSystem> objective = ObjectiveSystem::clip;
  std::int64_t batch = 64;
  std::int64_t steps = 3;
  Precision precision = Precision::fp32;
  std::string caption_tokens = "14";
  std::string captions;
  CaptionLengths lengths_of;  // empty: there is no option --captions
  std::int64_t threads = 0;
  std::string json;
};

void add_step_arguments(CLI::App& command, StepArguments& arguments);

/// The benchmark with this batch of all ranks; `settings` are --section.key VALUE. Throws UserError.
StepBenchmark step_benchmark_of(const StepArguments& arguments, std::int64_t global_batch,
                                const std::vector<std::string>& settings);

}  // namespace cloob
