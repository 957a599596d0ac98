#pragma once

#include <cstdint>
#include <functional>

#include "cloob/base/collectives.h"
#include "cloob/eval/feature_encoder.h"

namespace cloob {

/// The work of one rank.
struct RoundsOfRank {
  const char* unit = "";         ///< what is counted, for the progress
  std::int64_t num_batches = 0;  ///< one a round
  std::int64_t num_items = 0;    ///< in all batches
};

/// Calls `work` for each batch of this rank, which returns its number of items. After each round the ranks tell each other how far
/// they are, which is reported, and whether one of them was asked to stop: then all throw EvaluationStopped. A UserError of `work`
/// on one rank is thrown on all. A collective operation.
void run_rounds(const RoundsOfRank& own, const EncodeOptions& options, const Collectives& collectives,
                const std::function<std::int64_t(std::int64_t batch)>& work);

}  // namespace cloob
