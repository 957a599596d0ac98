// A memory of pairs in a folder, which `cloob memory build` writes: an index (search/index_format.h) with features of images and of
// texts.
#pragma once

#include <cstdint>
#include <filesystem>
#include <mutex>
#include <string>

#include "cloob/model/pair_memory.h"
#include "cloob/search/search_index.h"

namespace cloob {

class Memory final : public PairMemory {
 public:
  /// Features are mapped, and take no memory of this process. Throws UserError of one line if it is not a complete index, has not both
  /// sides, no model, or only removed entries.
  explicit Memory(const std::filesystem::path& folder);

  const SearchIndex& index() const { return index_; }
  const IndexModel& model() const { return *index_.header().model; }

  std::int64_t size() const override { return index_.size(); }
  std::int64_t dims() const override { return index_.header().dims; }
  std::string describe() const override;
  std::string identity() const override;
  at::Tensor nearest(Modality searched, const at::Tensor& query_QD, std::int64_t k,
                     const LeftOutPairs* left_out) const override;
  at::Tensor features(Modality modality, const at::Tensor& rows) const override;

 private:
  void require_finite(const at::Tensor& features_RD, const at::Tensor& rows_R, Modality modality) const;

  SearchIndex index_;
  mutable std::once_flag is_identified_;
  mutable std::string identity_;  ///< once it was asked for: all entries are looked at
};

}  // namespace cloob
