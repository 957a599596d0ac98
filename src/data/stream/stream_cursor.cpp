#include "data/stream/stream_cursor.h"

#include <fmt/core.h>

#include "cloob/base/text.h"
#include "cloob/data/bad_samples.h"

namespace cloob {

void StreamCursor::open(const std::string& shard) {
  stream_.reset();
  shard_ = shard;
  next_ = 0;
  failure_.reset();
}

std::optional<ShardEntry> StreamCursor::next(const ShardWalk::Visit& visit) {
  if (stop_.stop_requested()) throw StreamStopped();
  if (failure_) throw BadSample(BadKind::unreadable, *failure_);
  try {
    if (!stream_) stream_ = std::make_unique<OpenShard>(open_stream(shard_, config_, stop_));
    return stream_->walk.next(visit);
  } catch (const StreamError& error) {
    failure_ = error.what();
  } catch (const TarError& error) {
    failure_ = fmt::format("it is not a tar file: {}", error.what());
  }
  throw BadSample(BadKind::unreadable, *failure_);
}

ShardSample StreamCursor::read(const std::string& shard, std::int64_t number,
                               const std::vector<std::string>& wanted) {
  // A stream that failed gets another chance when it is read from the beginning again.
  if (shard != shard_ || number < next_ || (failure_ && number <= last_)) open(shard);
  last_ = number;
  while (next_ < number) {
    if (!next({})) break;
    ++next_;
  }
  ShardSample sample;
  std::optional<BadSample> bad;
  const auto entry = next([&](const TarMember& member, const std::string& suffix) {
    try {
      sample.add(stream_->scanner, member, suffix, wanted);
    } catch (const BadSample& error) {
      bad = error;
    }
  });
  if (!entry) {
    throw BadSample(BadKind::broken_shard,
                    fmt::format("it ends after {} samples, fewer than expected: if it has changed, delete "
                                "streams.json in the index folder to have it counted again",
                                with_thousands(next_)));
  }
  ++next_;
  if (entry->damage) throw BadSample(BadKind::broken_shard, *entry->damage);
  if (bad) throw *bad;
  sample.key = entry->key;
  return sample;
}

}  // namespace cloob
