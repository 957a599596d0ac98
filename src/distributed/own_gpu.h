#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "cloob/distributed/rank_environment.h"

namespace cloob {

/// What CUDA_VISIBLE_DEVICES has to be so that a rank sees one GPU: the entry of its number on the machine in `visible` (the
/// variable), or that number if it is not set. Nullopt if nothing is to be changed: a single rank of its machine, a launcher that
/// shows each rank its own GPU, or no GPU for this rank.
std::optional<std::string> own_gpu(const RankEnvironment& environment,
                                   const std::optional<std::string>& visible, std::int64_t num_gpus);

/// Throws UserError if several ranks would compute on one GPU.
void require_own_gpu(const RankEnvironment& environment, const std::optional<std::string>& visible);

}  // namespace cloob
