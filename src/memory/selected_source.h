#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cloob/data/source.h"

namespace cloob {

/// Some samples of a source with random access, as a source of their own.
class SelectedSource final : public Source {
 public:
  SelectedSource(std::shared_ptr<const Source> source, std::vector<std::int64_t> indices)
      : source_(std::move(source)), indices_(std::move(indices)) {}

  std::int64_t size() const override { return std::ssize(indices_); }
  RawSample read(std::int64_t index) const override { return source_->read(at(index)); }
  std::string key(std::int64_t index) const override { return source_->key(at(index)); }
  std::vector<std::string> read_captions(std::int64_t index) const override {
    return source_->read_captions(at(index));
  }
  std::string describe(std::int64_t index) const override { return source_->describe(at(index)); }
  void read_ahead(std::int64_t index) const override { source_->read_ahead(at(index)); }

 private:
  std::int64_t at(std::int64_t index) const { return indices_.at(static_cast<std::size_t>(index)); }

  std::shared_ptr<const Source> source_;
  std::vector<std::int64_t> indices_;
};

}  // namespace cloob
