#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "cloob/data/split.h"

namespace cloob {

/// Says which part a key belongs to.
class PartOfKey {
 public:
  PartOfKey(const std::vector<SplitPart>& parts, std::uint64_t seed);

  /// The number of the part, or the number of parts where the key belongs to none. The same file in several
  /// spellings ("a/./b.jpg", "x.zip:b.jpg" and "x.zip/b.jpg") belongs to one part.
  std::size_t operator()(std::string_view key) const;

 private:
  std::vector<double> ends_;  // of each part's stretch of [0, 1]
  std::uint64_t seed_;
};

/// Throws UserError where a part has no sample; warns of samples that are in no part.
void check_split(const SplitResult& result);

/// Rows of tables to tables.
SplitResult split_tables(const DataConfig& config, const std::vector<std::filesystem::path>& tables,
                         const std::filesystem::path& folder, const SplitOptions& options,
                         const PackHooks& hooks);

}  // namespace cloob
