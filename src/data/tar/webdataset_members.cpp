#include "data/tar/webdataset_members.h"

#include <utility>

#include "cloob/data/bad_samples.h"
#include "cloob/data/captions.h"

namespace cloob {
namespace {

std::vector<std::string> suffixes_for_captions(const WebdatasetConfig& config) {
  if (config.json_caption_field) return {"json"};
  return config.caption_members;
}

std::vector<std::string> concat(std::vector<std::string> first, const std::vector<std::string>& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

// Says so if a wanted member is there but for a dot in its base name.
std::string explain_dots(const ShardSample& sample, const std::vector<std::string>& wanted) {
  return ends_in_any(sample.suffixes, wanted)
             ? ": as in webdataset, the name of a sample ends at its first dot, so there must be no other dot before "
               "the suffix"
             : "";
}

}  // namespace

WebdatasetMembers::WebdatasetMembers(const WebdatasetConfig& config, CaptionEncoding encoding)
    : image_suffixes_(config.image_members),
      caption_suffixes_(suffixes_for_captions(config)),
      all_suffixes_(concat(image_suffixes_, caption_suffixes_)),
      text_(config.text),
      json_field_(config.json_caption_field),
      encoding_(encoding) {}

RawSample WebdatasetMembers::raw_sample(ShardSample sample) const {
  RawSample raw;
  WeightedCaptions found = captions(sample);
  raw.captions = std::move(found.captions);
  raw.caption_weights = std::move(found.weights);
  auto image = sample.take_first(image_suffixes_);
  if (!image)
    throw BadSample(BadKind::no_image, sample.describe_members() + explain_dots(sample, image_suffixes_));
  raw.image_bytes = *std::move(image);
  raw.key = std::move(sample.key);
  return raw;
}

WeightedCaptions WebdatasetMembers::captions(ShardSample& sample) const {
  const auto member = sample.take_first(caption_suffixes_);
  if (!member)
    throw BadSample(BadKind::no_caption, sample.describe_members() + explain_dots(sample, caption_suffixes_));
  WeightedCaptions found;
  if (json_field_) {
    found = captions_in_json(*member, *json_field_);
  } else {
    found.captions = captions_in_text(*member, /*one_per_line=*/text_ == TextMember::lines);
  }
  decode_captions(found, encoding_);
  if (found.captions.empty()) {
    throw BadSample(BadKind::no_caption, "the caption of '" + sample.key + "' is empty");
  }
  return found;
}

}  // namespace cloob
