// Several ranks of a run as threads of one process.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <vector>

#include "cloob/base/collectives.h"

namespace cloob::testing {

/// Runs `work` once a rank, each on a thread of its own, with collectives that exchange tensors in memory; returns when all are
/// done. Gradients flow between the ranks as they would between processes: `backward` is called by each rank, and each rank has
/// leaves of its own. What the lowest rank that failed threw is thrown on; a rank that fails releases the others.
void run_ranks(std::int64_t world_size, const std::function<void(const Collectives& collectives)>& work);

}  // namespace cloob::testing
