#include "data/tar_source.h"

#include <utility>

#include "cloob/base/text.h"
#include "cloob/data/bad_samples.h"

namespace cloob {
namespace {

std::vector<std::string> caption_suffixes(const WebdatasetConfig& config) {
  if (config.json_caption_field) return {"json"};
  return config.caption_members;
}

std::vector<std::string> joined(std::vector<std::string> first, const std::vector<std::string>& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

}  // namespace

TarSource::TarSource(const WebdatasetConfig& config, std::vector<std::filesystem::path> shards,
                     const IndexOptions& options)
    : image_suffixes_(config.image_members),
      caption_suffixes_(caption_suffixes(config)),
      all_suffixes_(joined(image_suffixes_, caption_suffixes_)),
      text_(config.text),
      json_field_(config.json_caption_field),
      reader_(std::move(shards),
              {image_suffixes_, caption_suffixes_,
               "set data.webdataset.image_members, caption_members or json_caption_field to the suffixes in "
               "the shards"},
              options) {}

std::vector<SourcePart> TarSource::parts() const {
  std::vector<SourcePart> parts;
  for (const std::int64_t size : reader_.shard_sizes()) parts.push_back({.size = size});
  return parts;
}

RawSample TarSource::read(std::int64_t index) const {
  ShardSample sample = reader_.read(index, all_suffixes_);
  RawSample raw;
  WeightedCaptions captions = take_captions(sample);
  raw.captions = std::move(captions.captions);
  raw.caption_weights = std::move(captions.weights);
  auto image = sample.take_first(image_suffixes_);
  if (!image) throw BadSample(BadKind::no_image, sample.describe_members());
  raw.image_bytes = *std::move(image);
  raw.key = std::move(sample.key);
  return raw;
}

std::vector<std::string> TarSource::read_captions(std::int64_t index) const {
  ShardSample sample = reader_.read(index, caption_suffixes_);
  return take_captions(sample).captions;
}

WeightedCaptions TarSource::take_captions(ShardSample& sample) const {
  const auto member = sample.take_first(caption_suffixes_);
  if (!member) throw BadSample(BadKind::no_caption, sample.describe_members());
  WeightedCaptions captions;
  if (json_field_) {
    captions = captions_in_json(*member, *json_field_);
  } else {
    captions.captions = captions_in_text(*member, /*one_per_line=*/text_ == TextMember::lines);
  }
  if (captions.captions.empty())
    throw BadSample(BadKind::no_caption, "the caption of '" + sample.key + "' is empty");
  return captions;
}

}  // namespace cloob
