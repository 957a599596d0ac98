#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "data/byte_stream.h"
#include "data/shard_sample.h"
#include "data/shard_walk.h"
#include "data/stream_tar_input.h"

namespace cloob {

/// Samples of shards that come as streams, by their numbers. Going forwards in one shard reads its stream on;
/// any other step opens a stream and passes over what lies before the sample.
class StreamCursor {
 public:
  StreamCursor(const StreamConfig& config, std::stop_token stop) : config_(config), stop_(std::move(stop)) {}

  /// Reads those members of sample `number` of a shard whose suffixes are wanted. Throws BadSample where it
  /// is damaged or the stream does not get as far, and StreamStopped.
  ShardSample read(const std::string& shard, std::int64_t number, const std::vector<std::string>& wanted);
  /// Whether the sample that was read last is the last one of its shard.
  bool is_at_end() const { return !stream_ || stream_->walk.is_over(); }

 private:
  struct OpenShard {
    explicit OpenShard(std::unique_ptr<ByteStream> opened)
        : bytes(std::move(opened)), input(*bytes), scanner(input), walk(scanner) {}
    std::unique_ptr<ByteStream> bytes;
    StreamTarInput input;
    TarScanner scanner;
    ShardWalk walk;
  };

  void open(const std::string& shard);
  std::optional<ShardEntry> next(const ShardWalk::Visit& visit);

  StreamConfig config_;
  std::stop_token stop_;
  std::string shard_;
  std::unique_ptr<OpenShard> stream_;
  std::int64_t next_ = 0;               // number of the sample that the stream brings next
  std::int64_t last_ = -1;              // number of the sample that was asked for last
  std::optional<std::string> failure_;  // of the shard's stream; it stays broken
};

}  // namespace cloob
