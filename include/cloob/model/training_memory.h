#pragma once

#include <cstdint>

#include "cloob/device/autocast.h"
#include "cloob/model/model_config.h"

namespace cloob {

/// Bytes that training needs, with AdamW and with gradients freed after every step.
///
/// Does not include the data pipeline nor the similarity matrices of the objective, which matter for batches
/// of several thousand pairs.
struct TrainingMemory {
  std::int64_t process = 0;  ///< the program and LibTorch before any tensor, on the CPU
  std::int64_t weights = 0;  ///< parameters, and their lower-precision copies under autocast
  /// Two moments of every trained parameter, fp32 master copies of lower-precision ones, and the weight
  /// average.
  std::int64_t optimizer_state = 0;
  std::int64_t gradients = 0;
  std::int64_t activations = 0;    ///< saved by the forward pass for the backward pass
  std::int64_t fragmentation = 0;  ///< of the heap
  /// The peak. Less than the sum: gradients grow while activations shrink.
  std::int64_t peak = 0;
};

/// The settings of a run that determine how much memory a step takes.
struct TrainingStepShape {
  std::int64_t batch_size = 1;
  Precision precision = Precision::fp32;
  std::int64_t parts = 1;               ///< train.gradient_cache_parts
  bool gradient_checkpointing = false;  ///< train.gradient_checkpointing
  bool image_is_frozen = false;
  bool text_is_frozen = false;
  bool has_average = false;  ///< optimizer.ema_decay
};

/// For texts of context_length tokens; shorter ones take less. `config` must be valid.
TrainingMemory estimate_training_memory(const ModelConfig& config, const TrainingStepShape& step);

}  // namespace cloob
