// The trainer's own step on made-up data: time and memory. Behind `cloob bench step`.
#pragma once

#include <cstdint>
#include <vector>

#include "cloob/train/run_config.h"

namespace cloob {

struct StepBenchmark {
  RunConfig config;  ///< the batch is `train.global_batch_size`
  std::int64_t steps = 3;
  /// Tokens of a caption, start and end included: row i has the (i modulo size)-th length. At least one.
  std::vector<std::int64_t> caption_lengths;
};

struct StepBenchmarkResult {
  double first_seconds = 0;  ///< of the first step, which starts threads and libraries
  double seconds = 0;        ///< median of the timed steps
  double samples_per_second = 0;
  double peak_rss_gib = 0;  ///< of the whole process
  double loss = 0;          ///< of the last step
};

/// Trains on one batch of noise: the first step, one that is not counted, then `steps` timed ones.
/// Throws UserError for lengths that do not fit the model.
StepBenchmarkResult benchmark_step(const StepBenchmark& benchmark);

}  // namespace cloob
