#include "data/tar/tar_source.h"

#include <utility>

namespace cloob {

TarSource::TarSource(const WebdatasetConfig& config, CaptionEncoding encoding,
                     std::vector<std::filesystem::path> shards, const IndexOptions& options)
    : members_(config, encoding),
      reader_(std::move(shards),
              {members_.image_suffixes(), members_.caption_suffixes(),
               "set data.webdataset.image_members, caption_members or json_caption_field to the suffixes in "
               "the shards"},
              options) {}

std::vector<SourcePart> TarSource::parts() const {
  std::vector<SourcePart> parts;
  for (const std::int64_t size : reader_.shard_sizes()) parts.push_back({.size = size});
  return parts;
}

RawSample TarSource::read(std::int64_t index) const {
  return members_.raw_sample(reader_.read(index, members_.all_suffixes()));
}

std::vector<std::string> TarSource::read_captions(std::int64_t index) const {
  ShardSample sample = reader_.read(index, members_.caption_suffixes());
  return members_.captions(sample).captions;
}

}  // namespace cloob
