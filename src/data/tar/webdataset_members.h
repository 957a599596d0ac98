// Interprets the members of a sample in a tar shard.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cloob/data/captions.h"
#include "cloob/data/data_config.h"
#include "cloob/data/source.h"
#include "data/tar/shard_sample.h"

namespace cloob {

/// Selects image and captions by the suffixes in the settings.
class WebdatasetMembers {
 public:
  WebdatasetMembers(const WebdatasetConfig& config, CaptionEncoding encoding);

  /// Suffixes that `raw_sample` uses, and those that `captions` uses.
  const std::vector<std::string>& all_suffixes() const { return all_suffixes_; }
  const std::vector<std::string>& image_suffixes() const { return image_suffixes_; }
  const std::vector<std::string>& caption_suffixes() const { return caption_suffixes_; }

  /// Both throw BadSample if something is missing, and move out of `sample` what they use.
  RawSample raw_sample(ShardSample sample) const;
  WeightedCaptions captions(ShardSample& sample) const;

 private:
  std::vector<std::string> image_suffixes_;
  std::vector<std::string> caption_suffixes_;
  std::vector<std::string> all_suffixes_;
  TextMember text_;
  std::optional<std::string> json_field_;
  CaptionEncoding encoding_;
};

}  // namespace cloob
