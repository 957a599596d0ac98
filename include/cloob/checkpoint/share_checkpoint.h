#pragma once

#include <optional>

#include "cloob/base/collectives.h"
#include "cloob/checkpoint/checkpoint.h"

namespace cloob {

/// The checkpoint that rank 0 has read, on every rank, so that the others need no access to its folder; nullopt if rank 0 has
/// none. What other ranks pass is ignored. A collective operation.
std::optional<Checkpoint> share_checkpoint(std::optional<Checkpoint> checkpoint, const Collectives& collectives);

}  // namespace cloob
