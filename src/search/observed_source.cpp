#include "search/observed_source.h"

#include <string_view>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/random.h"
#include "cloob/image/decode.h"
#include "cloob/search/thumbnail.h"

namespace cloob {

class ObservedSource::Reader final : public SampleReader {
 public:
  Reader(const ObservedSource& source, std::unique_ptr<SampleReader> reader)
      : source_(source), reader_(std::move(reader)) {}
  RawSample read(std::int64_t number, std::int64_t index) override {
    return source_.observe(index, reader_->read(number, index));
  }
  void stop() override { reader_->stop(); }

 private:
  const ObservedSource& source_;
  std::unique_ptr<SampleReader> reader_;
};

std::unique_ptr<SampleReader> ObservedSource::open_reader(const BatchPlan& plan,
                                                          std::int64_t window_samples) const {
  return std::make_unique<Reader>(*this, source_->open_reader(plan, window_samples));
}

RawSample ObservedSource::observe(std::int64_t index, RawSample sample) const {
  const std::string_view bytes(reinterpret_cast<const char*>(sample.image_bytes.data()),
                               sample.image_bytes.size());
  ObservedImage observed{.key = sample.key, .content_hash = hash_text(bytes, 0), .thumbnail = {}};
  if (makes_thumbnails_) {
    try {
      observed.thumbnail = make_thumbnail(sample.image_bytes);
    } catch (const DecodeError&) {  // the loader, which decodes it next, counts it as unusable
    }
  }
  const std::lock_guard lock(mutex_);
  observed_[index] = std::move(observed);
  return sample;
}

ObservedImage ObservedSource::take(std::int64_t index) const {
  const std::lock_guard lock(mutex_);
  const auto found = observed_.find(index);
  CLOOB_CHECK(found != observed_.end(), "sample {} was not read", index);
  ObservedImage image = std::move(found->second);
  observed_.erase(observed_.begin(), std::next(found));
  return image;
}

}  // namespace cloob
