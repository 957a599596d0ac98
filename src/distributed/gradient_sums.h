#pragma once

#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "cloob/base/collectives.h"
#include "distributed/rank_watch.h"

namespace cloob {

/// See Collectives::gradient_sums: by the Reducer of c10d, which is also the engine of DistributedDataParallel. Buckets are sent
/// in the order of `parameters` as soon as they are complete, also those of earlier buckets.
///
/// `watch` and `bytes`, to which sent bytes are added, must outlive the result.
std::unique_ptr<GradientSums> make_gradient_sums(c10::intrusive_ptr<c10d::ProcessGroup> group,
                                                 std::vector<at::Tensor> parameters,
                                                 const GradientSumOptions& options, RankWatch& watch,
                                                 std::atomic<std::int64_t>& bytes);

}  // namespace cloob
