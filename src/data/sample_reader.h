// How threads get at the samples of a source.
#pragma once

#include <cstdint>

#include "cloob/data/source.h"

namespace cloob {

/// For a loader: reads the rows of one BatchPlan, each once. Thread-safe.
class SampleReader {
 public:
  virtual ~SampleReader() = default;
  /// Sample `index` of the source, which is row `number` of the plan. Throws BadSample.
  virtual RawSample read(std::int64_t number, std::int64_t index) = 0;
  /// Makes calls of `read` that wait for something return soon, by throwing.
  virtual void stop() {}
};

/// Threads for going through a source in about its order without a loader: `threads`, resolved, or a single
/// one for a stream, which several would make jump back and forth.
std::int64_t reading_threads(const Source& source, std::int64_t threads);

}  // namespace cloob
