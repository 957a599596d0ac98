#include "cloob/data/source.h"

#include "cloob/base/parallel.h"
#include "cloob/data/sample_reader.h"
#include "data/order/batch_plan.h"

namespace cloob {
namespace {

/// For sources with random access.
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
