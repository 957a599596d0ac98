// Splits a data set into parts, for training and validation.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cloob/prepare/pack.h"

namespace cloob {

struct SplitPart {
  std::string name;
  double fraction = 0;  ///< of all samples
};

/// Parses "train=0.98,val=0.02". Throws UserError for a repeated name, a fraction that is not above 0, or a
/// sum of fractions above 1.
std::vector<SplitPart> parse_split_parts(std::string_view text);

struct SplitOptions {
  std::vector<SplitPart> parts;
  std::uint64_t seed = 0;
  bool pack = false;  ///< write shards instead of tables
  PackOptions packing;
};

struct SplitResult {
  std::vector<std::pair<std::string, std::int64_t>> num_samples;  ///< of each part
  std::int64_t max_captions = 0;    ///< PackResult::max_captions of all parts; 0 for tables
  std::int64_t num_in_no_part = 0;  ///< if the fractions sum to less than 1
  BadSampleCounts bad;              ///< left out
  bool stopped = false;             ///< complete shards remain, tables do not
};

/// Splits the samples of `names` (as for pack_data) into parts by a hash of their keys (the path in a table,
/// the name in a shard): the fractions hold up to chance, samples with the same key are in the same part, and
/// a sample stays in its part when the source grows.
///
/// Tables become tables, `PART.tsv` or `.csv` in the new folder `folder`: all rows that can be parsed,
/// unchanged except that paths are relative to that folder. Everything else, and tables with `options.pack`,
/// becomes shards in `folder`/PART, as pack_data writes them. Throws UserError, also for a part without
/// samples, and for tables with packing options that apply only to shards.
SplitResult split_data(const DataConfig& config, const std::vector<std::string>& names,
                       const std::filesystem::path& folder, const SplitOptions& options,
                       const PackHooks& hooks);

}  // namespace cloob
