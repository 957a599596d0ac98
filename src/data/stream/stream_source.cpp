#include "data/stream/stream_source.h"

#include <fmt/core.h>

#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/log.h"
#include "cloob/base/text.h"
#include "cloob/data/order/sample_order.h"
#include "data/stream/stream_reader.h"

namespace cloob {

StreamSource::StreamSource(const WebdatasetConfig& members, CaptionEncoding encoding,
                           const StreamConfig& config, std::vector<StreamShard> shards)
    : members_(members, encoding), config_(config), shards_(std::move(shards)), cursor_(config, {}) {
  for (const StreamShard& shard : shards_) first_sample_.push_back(size() + shard.num_samples);
}

std::vector<SourcePart> StreamSource::parts() const {
  std::vector<SourcePart> parts;
  for (const StreamShard& shard : shards_) parts.push_back({shard.num_samples, shard.weight});
  return parts;
}

StreamSource::Place StreamSource::place(std::int64_t index) const {
  CLOOB_CHECK(index >= 0 && index < size(), "sample {} of {}", index, size());
  const std::size_t shard = find_begin(first_sample_, index);
  return {&shards_[shard], index - first_sample_[shard]};
}

std::string StreamSource::describe(std::int64_t index) const {
  const auto [shard, number] = place(index);
  return fmt::format("{}, sample {}", shard->name, number);
}

ShardSample StreamSource::read_members(StreamCursor& cursor, std::int64_t index,
                                       const std::vector<std::string>& wanted) const {
  const auto [shard, number] = place(index);
  ShardSample sample = cursor.read(shard->name, number, wanted);
  if (number + 1 == shard->num_samples && !cursor.is_at_end()) {
    log_warning("data", "'{}' has more than the expected {} samples: the rest is not used", shard->name,
                with_thousands(shard->num_samples));
  }
  return sample;
}

RawSample StreamSource::read(StreamCursor& cursor, std::int64_t index) const {
  return members_.raw_sample(read_members(cursor, index, members_.all_suffixes()));
}

RawSample StreamSource::read(std::int64_t index) const {
  const std::lock_guard lock(mutex_);
  return read(cursor_, index);
}

std::vector<std::string> StreamSource::read_captions(std::int64_t index) const {
  const std::lock_guard lock(mutex_);
  ShardSample sample = read_members(cursor_, index, members_.caption_suffixes());
  return members_.captions(sample).captions;
}

std::unique_ptr<SampleReader> StreamSource::open_reader(const BatchPlan& plan,
                                                        std::int64_t window_samples) const {
  return std::make_unique<StreamReader>(*this, plan, window_samples);
}

}  // namespace cloob
