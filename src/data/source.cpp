#include "cloob/data/source.h"

#include "data/batch_plan.h"
#include "data/parallel.h"
#include "data/sample_reader.h"

namespace cloob {
namespace {

/// For sources that can be read at any place.
class DirectReader final : public SampleReader {
 public:
  explicit DirectReader(const Source& source) : source_(source) {}
  RawSample read(std::int64_t, std::int64_t index) override { return source_.read(index); }

 private:
  const Source& source_;
};

}  // namespace

std::int64_t reading_threads(const Source& source, std::int64_t threads) {
  return source.is_stream() ? 1 : resolve_threads(threads);
}

std::unique_ptr<SampleReader> Source::open_reader(const BatchPlan&, std::int64_t) const {
  return std::make_unique<DirectReader>(*this);
}

}  // namespace cloob
