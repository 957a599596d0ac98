// Several ranks of a run as threads of one process.
#pragma once

#include <cstdint>
#include <functional>

#include "cloob/base/collectives.h"

namespace cloob::testing {

/// Runs `work` once per rank, each in its own thread, with collectives that exchange tensors in memory, and
/// returns when all are done. Gradients flow between the ranks as between processes: every rank calls
/// `backward` and has its own leaves. If a rank fails, or returns while others wait for it, those fail as
/// well; rethrows the error of the lowest rank that failed by itself.
void run_ranks(std::int64_t world_size, const std::function<void(const Collectives& collectives)>& work);

}  // namespace cloob::testing
