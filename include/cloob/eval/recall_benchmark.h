#pragma once

#include <cstdint>

#include "cloob/report/named_numbers.h"

namespace cloob {

/// Retrieval of random features, as large as an evaluation would have them.
struct RecallBenchmark {
  std::int64_t num_images = 10'000;
  std::int64_t num_texts = 50'000;  ///< at least as many as images, which share them
  std::int64_t dim = 512;
  std::uint64_t seed = 0;
};

/// seconds, peak_gib (of resident memory, beyond the features), features_gib and the recalls. Throws UserError if the numbers make no
/// retrieval.
NamedNumbers benchmark_recall(const RecallBenchmark& benchmark);

}  // namespace cloob
