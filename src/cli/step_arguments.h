// The arguments that the benchmarks of a training step have in common.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cloob/device/autocast.h"
#include "cloob/objective/objective_system.h"
#include "cloob/train/step_benchmark.h"

namespace CLI {
class App;
}

namespace cloob {

/// Tokens of each caption in a text file, start and end included, for the tokenizer and the context length of the settings.
/// Empty in a program without tokenizers, which has no option --captions.
using CaptionLengths =
    std::function<std::vector<std::int64_t>(const std::string& file, const RunConfig& config)>;

struct StepArguments {
  std::string model;
  std::optional<ObjectiveSystem> objective = ObjectiveSystem::clip;
  std::int64_t batch = 64;
  std::int64_t steps = 3;
  Precision precision = Precision::fp32;
  std::string caption_tokens = "14";
  std::string captions;
  CaptionLengths lengths_of;
  std::int64_t threads = 0;
  std::string json;
};

void add_step_arguments(CLI::App& command, StepArguments& arguments);

/// The benchmark with this batch of all ranks; `settings` are --section.key VALUE. Throws UserError.
StepBenchmark step_benchmark_of(const StepArguments& arguments, std::int64_t global_batch,
                                const std::vector<std::string>& settings);

}  // namespace cloob
