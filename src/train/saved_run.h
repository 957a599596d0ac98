// The state of a run in a checkpoint besides weights and optimizer: random number generators and data
// position.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <string>

#include "cloob/checkpoint/checkpoint.h"
#include "cloob/data/loader/loader.h"
#include "cloob/text/text_config.h"

namespace cloob {

/// Throws UserError if the tokenizer in the settings is not the one that the run was trained with.
void require_same_tokenizer(const Checkpoint& checkpoint, const TextConfig& text,
                            const std::string& tokenizer_model);

/// The states of the random number generators: "random.cpu" and, on another device, "random.device".
void add_random_numbers(Checkpoint& checkpoint, c10::Device device);
void restore_random_numbers(const Checkpoint& checkpoint, c10::Device device);

/// "run.rolled_back_at": the step at which the weights were last rolled back, -1 if never.
void add_rollback(Checkpoint& checkpoint, std::int64_t rolled_back_at);
std::int64_t saved_rollback(const Checkpoint& checkpoint);

/// Moves the loader to the saved position (see Sampler). If the size of the data has changed, the epoch is restarted. If
/// the order was divided over another number of ranks, throws UserError, or with `allow_reordering` continues in the new
/// order after as many samples of the epoch.
void seek(Loader& loader, const TrainingState& saved, bool allow_reordering);

}  // namespace cloob
