// A run's settings as the estimate of its memory takes them.
#pragma once

#include "cloob/model/training_memory.h"
#include "cloob/train/run_config.h"

namespace cloob {

inline TrainingStepShape step_shape(const TrainConfig& config) {
  return {.batch_size = config.global_batch_size,
          .precision = config.precision,
          .parts = config.gradient_cache_parts,
          .recompute = config.gradient_checkpointing};
}

}  // namespace cloob
