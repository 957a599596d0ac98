#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "cloob/prepare/split.h"

namespace cloob {

/// Maps a key to its part.
class PartOfKey {
 public:
  PartOfKey(const std::vector<SplitPart>& parts, std::uint64_t seed);

  /// The index of the part, or the number of parts if the key belongs to none. Different spellings of the
  /// same file ("a/./b.jpg", "x.zip:b.jpg" and "x.zip/b.jpg") give the same part.
  std::size_t operator()(std::string_view key) const;

 private:
  std::vector<double> ends_;  // of each part's interval in [0, 1]
  std::uint64_t seed_;
};

/// Throws UserError if a part has no samples; warns of samples that are in no part.
void check_split(const SplitResult& result);

/// Splits the rows of tables into tables.
SplitResult split_tables(const DataConfig& config, const std::vector<std::filesystem::path>& tables,
                         const std::filesystem::path& folder, const SplitOptions& options,
                         const PackHooks& hooks);

}  // namespace cloob
