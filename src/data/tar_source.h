#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cloob/data/source.h"
#include "data/captions.h"
#include "data/shard_reader.h"

namespace cloob {

/// Image-caption pairs in tar shards.
class TarSource final : public Source {
 public:
  TarSource(const WebdatasetConfig& config, std::vector<std::filesystem::path> shards,
            const IndexOptions& options);

  std::int64_t size() const override { return reader_.size(); }
  std::vector<SourcePart> parts() const override;
  RawSample read(std::int64_t index) const override;
  std::string key(std::int64_t index) const override { return reader_.key(index); }
  std::vector<std::string> read_captions(std::int64_t index) const override;
  void add_faults(SourceFaults& faults) const override { reader_.add_faults(faults); }
  std::string describe(std::int64_t index) const override { return reader_.describe(index); }

 private:
  WeightedCaptions take_captions(ShardSample& sample) const;

  std::vector<std::string> image_suffixes_;
  std::vector<std::string> caption_suffixes_;
  std::vector<std::string> all_suffixes_;
  TextMember text_;
  std::optional<std::string> json_field_;
  ShardReader reader_;
};

}  // namespace cloob
