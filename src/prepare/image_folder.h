#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "cloob/data/captions.h"
#include "cloob/data/data_config.h"
#include "cloob/data/source.h"

namespace cloob {

/// Images in folders, recursively, with captions beside them: `x.jpg`, `x.txt`, `x.json`.
///
/// Captions come from the text file, or from `captions` or `caption` in the JSON file if there is none;
/// `config.webdataset` applies to them as to members of shards. Sorted by path; hidden files are left out. A
/// key is the path relative to the folder, or the full path if there are several folders.
class ImageFolder final : public Source {
 public:
  /// Throws UserError if a folder has no images.
  ImageFolder(const std::vector<std::filesystem::path>& folders, WebdatasetConfig config,
              CaptionEncoding encoding);

  std::int64_t size() const override { return static_cast<std::int64_t>(files_.size()); }
  RawSample read(std::int64_t index) const override;
  std::string key(std::int64_t index) const override { return file(index); }
  std::vector<std::string> read_captions(std::int64_t index) const override;
  std::string describe(std::int64_t index) const override { return path(index).string(); }

 private:
  void add(const std::filesystem::path& folder);
  const std::string& file(std::int64_t index) const { return files_.at(static_cast<std::size_t>(index)); }
  WeightedCaptions captions_of(std::int64_t index) const;
  std::filesystem::path path(std::int64_t index) const { return root_ / file(index); }

  WebdatasetConfig config_;
  CaptionEncoding encoding_;
  std::filesystem::path root_;  // what `files_` are relative to; empty with several folders
  std::vector<std::string> files_;
};

}  // namespace cloob
