// Rollback to an older checkpoint after harmful steps.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "cloob/checkpoint/checkpoint_store.h"
#include "cloob/optim/spike_guard.h"
#include "cloob/train/train_step.h"

namespace cloob {

/// Logs why the spike guard skipped a step. `step` counts from 1.
void warn_of_skipped_step(std::int64_t step, const StepReport& report, const SpikeGuard& guard);

/// The newest checkpoint from before the skipped steps and after the last rollback (-1: none). This way steps
/// are taken between any two rollbacks, and no weights are tried twice.
std::optional<CheckpointEntry> rollback_target(const std::filesystem::path& checkpoints,
                                               const SpikeGuard& guard, std::int64_t rolled_back_at);

/// Throws the UserError that ends a run without such a checkpoint.
[[noreturn]] void throw_no_rollback_target(std::int64_t step, const SpikeGuard& guard,
                                           std::int64_t rolled_back_at);

}  // namespace cloob
