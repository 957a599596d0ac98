// How a loader's threads get at the samples of a source.
#pragma once

#include <cstdint>

#include "cloob/data/source.h"

namespace cloob {

/// Reads the rows of one BatchPlan, each once. Thread-safe.
class SampleReader {
 public:
  virtual ~SampleReader() = default;
  /// Sample `index` of the source, which is row `number` of the plan. Throws BadSample.
  virtual RawSample read(std::int64_t number, std::int64_t index) = 0;
  /// Makes calls of `read` that wait for something return soon, by throwing.
  virtual void stop() {}
};

}  // namespace cloob
