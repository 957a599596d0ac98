// Time and memory of the trainer's step on synthetic data, for `cloob bench step`.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "cloob/base/collectives.h"
#include "cloob/run/run_config.h"

namespace cloob {

struct StepBenchmark {
  RunConfig config;  ///< the batch size of all ranks together is `train.global_batch_size`
  std::int64_t steps = 3;
  /// Tokens per caption, start and end included; row i has the (i modulo size)-th length. Must not be empty.
  std::vector<std::int64_t> caption_lengths;
};

struct StepBenchmarkResult {
  double first_seconds = 0;                    ///< of the first step, which initializes threads and libraries
  double seconds = 0;                          ///< median of the timed steps
  double samples_per_second = 0;               ///< of all ranks
  double peak_rss_gib = 0;                     ///< of the whole process
  std::optional<double> peak_device_gib = {};  ///< of tensors on a GPU
  double loss = 0;                             ///< of the last step
  double communication_share = 0;              ///< of several ranks, see RankTimes
  std::int64_t bytes_per_step = 0;  ///< of the tensors that this rank gives to collective operations
};

/// Trains on one batch of noise, the same for any number of ranks, of which each has its part: a first step, an untimed one, then
/// `steps` timed ones. Throws UserError for caption lengths that the model does not support.
StepBenchmarkResult benchmark_step(const StepBenchmark& benchmark, const Collectives& collectives);

}  // namespace cloob
