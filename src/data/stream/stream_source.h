#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "cloob/data/source.h"
#include "data/stream/stream_cursor.h"
#include "data/tar/webdataset_members.h"

namespace cloob {

/// A shard that is read as a stream.
struct StreamShard {
  std::string name;  ///< see is_stream_name; or the path of a file
  std::int64_t num_samples = 0;
  double weight = 1;
};

/// Image-caption pairs in tar shards that can only be read from front to back.
///
/// `read` and the like can access any sample, but random access reads the shard from the beginning each time.
class StreamSource final : public Source {
 public:
  StreamSource(const WebdatasetConfig& members, CaptionEncoding encoding, const StreamConfig& config,
               std::vector<StreamShard> shards);

  bool is_stream() const override { return true; }
  std::int64_t size() const override { return first_sample_.back(); }
  std::vector<SourcePart> parts() const override;
  RawSample read(std::int64_t index) const override;
  std::vector<std::string> read_captions(std::int64_t index) const override;
  std::string describe(std::int64_t index) const override;
  std::unique_ptr<SampleReader> open_reader(const BatchPlan& plan,
                                            std::int64_t window_samples) const override;

  /// The same with the caller's own cursor.
  RawSample read(StreamCursor& cursor, std::int64_t index) const;
  const StreamConfig& config() const { return config_; }

 private:
  struct Place {
    const StreamShard* shard;
    std::int64_t number;
  };
  Place place(std::int64_t index) const;
  ShardSample read_members(StreamCursor& cursor, std::int64_t index,
                           const std::vector<std::string>& wanted) const;

  WebdatasetMembers members_;
  StreamConfig config_;
  std::vector<StreamShard> shards_;
  std::vector<std::int64_t> first_sample_ = {0};  // of every shard, then the total number of samples
  mutable std::mutex mutex_;
  mutable StreamCursor cursor_;  // of `read`
};

}  // namespace cloob
