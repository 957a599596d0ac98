#pragma once

#include "cloob/base/collectives.h"
#include "cloob/data/source.h"

namespace cloob {

/// Lets rank 0 count the samples of streams and tell the other ranks. Throws UserError if the ranks do not have the same
/// streams. A collective operation, made by `make_source`. `collectives` must outlive it.
StreamCounting counting_by_rank_0(const Collectives& collectives);

}  // namespace cloob
