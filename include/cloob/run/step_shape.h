// The settings of a run that the memory estimate needs.
#pragma once

#include "cloob/model/training_memory.h"
#include "cloob/run/run_config.h"

namespace cloob {

inline TrainingStepShape step_shape(const RunConfig& config) {
  return {.batch_size = config.train.global_batch_size,
          .precision = precision_of(config.train),
          .parts = config.train.gradient_cache_parts,
          .gradient_checkpointing = config.train.gradient_checkpointing,
          .image_is_frozen = config.optimizer.image.frozen,
          .text_is_frozen = config.optimizer.text.frozen,
          .has_average = config.optimizer.ema_decay.has_value()};
}

}  // namespace cloob
