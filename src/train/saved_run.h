// The state of a run in a checkpoint besides weights and optimizer: random number generators and data
// position.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <string>

#include "cloob/base/collectives.h"
#include "cloob/base/named_tensors.h"
#include "cloob/checkpoint/checkpoint.h"
#include "cloob/data/loader/loader.h"
#include "cloob/text/text_config.h"

namespace cloob {

/// Throws UserError if the tokenizer in the settings is not the one that the run was trained with.
void require_same_tokenizer(const Checkpoint& checkpoint, const TextConfig& text,
                            const std::string& tokenizer_model);

/// The states of the random number generators of rank 0, "random.cpu" and, on another device, "random.device"; those of all of
/// several ranks, one a row, as "random.cpu_of_ranks" and "random.device_of_ranks". A collective operation.
NamedTensors random_numbers(c10::Device device, const Collectives& collectives);
/// Restores those of this rank, as far as the checkpoint has them: of ranks other than 0 only if as many ranks wrote it, and of a
/// device only if it ran on one.
void restore_random_numbers(const Checkpoint& checkpoint, c10::Device device, const Collectives& collectives);

/// "run.rolled_back_at": the step at which the weights were last rolled back, -1 if never.
void add_rollback(Checkpoint& checkpoint, std::int64_t rolled_back_at);
std::int64_t saved_rollback(const Checkpoint& checkpoint);

/// Moves the loader to the saved position (see Sampler). If the size of the data has changed, the epoch is restarted. If
/// the order was divided over another number of ranks, throws UserError, or with `allow_reordering` continues in the new
/// order after as many samples of the epoch.
void seek(Loader& loader, const TrainingState& saved, bool allow_reordering);

}  // namespace cloob
