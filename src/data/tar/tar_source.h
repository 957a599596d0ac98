#pragma once

#include <map>
#include <string>
#include <vector>

#include "cloob/data/source.h"
#include "data/tar/shard_reader.h"
#include "data/tar/webdataset_members.h"

namespace cloob {

/// Image-caption pairs in tar shards.
class TarSource final : public Source {
 public:
  TarSource(const WebdatasetConfig& config, CaptionEncoding encoding,
            std::vector<std::filesystem::path> shards, const IndexOptions& options);

  std::int64_t size() const override { return reader_.size(); }
  std::vector<SourcePart> parts() const override;
  std::map<std::string, std::int64_t> member_kinds() const override { return reader_.member_kinds(); }
  RawSample read(std::int64_t index) const override;
  std::string key(std::int64_t index) const override { return reader_.key(index); }
  std::vector<std::string> read_captions(std::int64_t index) const override;
  void add_faults(SourceFaults& faults) const override { reader_.add_faults(faults); }
  std::string describe(std::int64_t index) const override { return reader_.describe(index); }

  void read_ahead(std::int64_t index) const override { reader_.read_ahead(index); }

 private:
  WebdatasetMembers members_;
  ShardReader reader_;
};

}  // namespace cloob
