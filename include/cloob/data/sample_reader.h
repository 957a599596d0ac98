// How threads read the samples of a source.
#pragma once

#include <cstdint>

#include "cloob/data/source.h"

namespace cloob {

/// Reads the rows of one BatchPlan for a loader, each once. Thread-safe.
class SampleReader {
 public:
  virtual ~SampleReader() = default;
  /// Sample `index` of the source, which is row `number` of the plan. Throws BadSample.
  virtual RawSample read(std::int64_t number, std::int64_t index) = 0;
  /// Makes waiting calls of `read` return soon, by throwing.
  virtual void stop() {}
};

/// Number of threads for iterating over a source roughly in order without a loader: `threads`, resolved; one
/// for a stream, in which several threads would seek back and forth.
std::int64_t reading_threads(const Source& source, std::int64_t threads);

}  // namespace cloob
