#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "cloob/data/sample_reader.h"
#include "cloob/data/source.h"

namespace cloob {

/// What an index keeps of an image besides its features.
struct ObservedImage {
  std::string key;
  std::uint64_t content_hash = 0;
  std::string thumbnail;  ///< a JPEG file; empty if none was asked for
};

/// Passes the samples of another source on to a loader and remembers something about each until it is taken: so that images are
/// hashed and shrunk by the loader's threads, and read once.
class ObservedSource final : public Source {
 public:
  ObservedSource(std::shared_ptr<const Source> source, bool makes_thumbnails)
      : source_(std::move(source)), makes_thumbnails_(makes_thumbnails) {}

  std::int64_t size() const override { return source_->size(); }
  std::vector<SourcePart> parts() const override { return source_->parts(); }
  bool is_stream() const override { return source_->is_stream(); }
  std::map<std::string, std::int64_t> member_kinds() const override { return source_->member_kinds(); }
  RawSample read(std::int64_t index) const override { return observe(index, source_->read(index)); }
  std::string key(std::int64_t index) const override { return source_->key(index); }
  std::vector<std::string> read_captions(std::int64_t index) const override {
    return source_->read_captions(index);
  }
  void add_faults(SourceFaults& faults) const override { source_->add_faults(faults); }
  std::string describe(std::int64_t index) const override { return source_->describe(index); }
  void read_ahead(std::int64_t index) const override { source_->read_ahead(index); }
  std::unique_ptr<SampleReader> open_reader(const BatchPlan& plan,
                                            std::int64_t window_samples) const override;

  /// What was remembered of this sample, which was read; forgets it and all before it, which were unusable.
  ObservedImage take(std::int64_t index) const;

 private:
  class Reader;
  RawSample observe(std::int64_t index, RawSample sample) const;

  std::shared_ptr<const Source> source_;
  bool makes_thumbnails_;
  mutable std::mutex mutex_;
  mutable std::map<std::int64_t, ObservedImage> observed_;
};

}  // namespace cloob
