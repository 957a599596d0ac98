// Several ranks of a run as threads of one process, which are connected as processes are.
#pragma once

#include <cstdint>
#include <functional>

#include "cloob/distributed/ranks.h"

namespace cloob::testing {

/// The environment of each rank of one machine.
RankEnvironment environment_of(std::int64_t rank, std::int64_t world_size, std::uint16_t port);

/// Runs `work` once per rank, each in its own thread; rethrows the error of the lowest rank that failed.
void run_connected_ranks(std::int64_t world_size, const std::function<void(Ranks& ranks)>& work);

}  // namespace cloob::testing
