#pragma once

#include "cloob/base/collectives.h"
#include "cloob/data/bad_samples.h"

namespace cloob {

/// The counts of all ranks, with the examples of the first ranks that have some. A collective operation.
BadSampleCounts sum_over_ranks(const BadSampleCounts& own, const Collectives& collectives);

}  // namespace cloob
