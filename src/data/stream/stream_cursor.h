#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "data/stream/byte_stream.h"
#include "data/stream/stream_tar_input.h"
#include "data/tar/shard_sample.h"
#include "data/tar/shard_walk.h"

namespace cloob {

/// Random access to the samples of streamed shards. Moving forward within a shard continues its stream; any
/// other move opens a stream and skips everything before the sample.
class StreamCursor {
 public:
  StreamCursor(const StreamConfig& config, std::stop_token stop) : config_(config), stop_(std::move(stop)) {}

  /// Reads the members of sample `number` of a shard whose suffixes are wanted. Throws BadSample if the
  /// sample is damaged or the stream fails before it, and StreamStopped.
  ShardSample read(const std::string& shard, std::int64_t number, const std::vector<std::string>& wanted);
  /// Whether the last sample read is the last one of its shard.
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
  std::int64_t next_ = 0;               // number of the next sample of the stream
  std::int64_t last_ = -1;              // number of the last requested sample
  std::optional<std::string> failure_;  // of the shard's stream, which stays broken
};

}  // namespace cloob
