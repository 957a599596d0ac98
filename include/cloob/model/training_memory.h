#pragma once

#include <cstdint>

#include "cloob/model/model_config.h"
#include "cloob/nn/autocast.h"

namespace cloob {

/// Bytes that training needs, with AdamW and gradients dropped after every step.
///
/// What the data pipeline holds is not in it, nor the objective's matrices of similarities, which begin to
/// count where the batch has several thousand pairs.
struct TrainingMemory {
  std::int64_t process = 0;  ///< the program and LibTorch before any tensor, on the CPU
  std::int64_t weights = 0;  ///< parameters, and their narrow copies under autocast
  /// Two moments for every parameter that is trained, master copies of narrow ones, and the average.
  std::int64_t optimizer_state = 0;
  std::int64_t gradients = 0;
  std::int64_t activations = 0;    ///< what the forward pass keeps for the backward pass
  std::int64_t fragmentation = 0;  ///< gaps in the heap
  /// The most at any time. Less than the sum: gradients grow while activations shrink.
  std::int64_t peak = 0;
};

/// What of a run decides how much memory a step takes.
struct TrainingStepShape {
  std::int64_t batch_size = 1;
  Precision precision = Precision::fp32;
  std::int64_t parts = 1;  ///< train.gradient_cache_parts
  bool recompute = false;  ///< train.gradient_checkpointing
  bool image_is_frozen = false;
  bool text_is_frozen = false;
  bool has_average = false;  ///< optimizer.ema_decay
};

/// For texts that fill the context; shorter ones take less. The config must be valid.
TrainingMemory estimate_training_memory(const ModelConfig& config, const TrainingStepShape& step);

}  // namespace cloob
