#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cloob/data/source.h"

namespace cloob {

/// A source to be packed or split.
struct PackSource {
  std::shared_ptr<const Source> source;
  /// Hash of the names, sizes and times of tables or shards, or of the file names in a folder.
  std::uint64_t fingerprint = 0;
};

/// Opens tables, shards or folders of images. Rows with the same image are one sample, unless `config` says
/// otherwise. Throws UserError.
PackSource open_pack_source(const DataConfig& config, const std::vector<std::string>& names);

/// A subset of the samples of another source.
class SubsetSource final : public Source {
 public:
  SubsetSource(std::shared_ptr<const Source> source, std::vector<std::int64_t> indices)
      : source_(std::move(source)), indices_(std::move(indices)) {}

  std::int64_t size() const override { return static_cast<std::int64_t>(indices_.size()); }
  bool is_stream() const override { return source_->is_stream(); }
  RawSample read(std::int64_t index) const override { return source_->read(original(index)); }
  std::string key(std::int64_t index) const override { return source_->key(original(index)); }
  std::vector<std::string> read_captions(std::int64_t index) const override {
    return source_->read_captions(original(index));
  }
  std::string describe(std::int64_t index) const override { return source_->describe(original(index)); }

 private:
  std::int64_t original(std::int64_t index) const { return indices_.at(static_cast<std::size_t>(index)); }

  std::shared_ptr<const Source> source_;
  std::vector<std::int64_t> indices_;
};

}  // namespace cloob
