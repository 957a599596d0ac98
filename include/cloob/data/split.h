// A data set cut into parts, for training and validation.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cloob/data/pack.h"

namespace cloob {

struct SplitPart {
  std::string name;
  double share = 0;  ///< of all samples
};

/// "train=0.98,val=0.02". Throws UserError for a name twice, for a share that is not above 0, and for shares
/// of more than 1 in all.
std::vector<SplitPart> parse_split_parts(std::string_view text);

struct SplitOptions {
  std::vector<SplitPart> parts;
  std::uint64_t seed = 0;
  bool pack = false;  ///< shards, where tables would be written
  PackOptions packing;
};

struct SplitResult {
  std::vector<std::pair<std::string, std::int64_t>> num_samples;  ///< of each part
  std::int64_t num_in_no_part = 0;                                ///< where the shares are less than 1 in all
  BadSampleCounts bad;                                            ///< left out
  bool stopped = false;  ///< of shards, those that are whole stay; of tables nothing does
};

/// Cuts the samples of `names` (as for pack_data) into parts by a hash of their keys (the path in a table,
/// the name in a shard): the share of a part is met as closely as chance allows, two samples of one key are
/// never in two parts, and a sample stays in its part when the source grows.
///
/// Tables become tables, `PART.tsv` or `.csv` in the new folder `folder`: the rows as they are, all of them
/// that can be taken apart, with paths that start from that folder. Everything else, and tables with
/// `options.pack`, becomes shards in `folder`/PART, as pack_data writes them. Throws UserError, also for a
/// part that no sample falls into, and for tables with packing options that only shards know.
SplitResult split_data(const DataConfig& config, const std::vector<std::string>& names,
                       const std::filesystem::path& folder, const SplitOptions& options,
                       const PackHooks& hooks);

}  // namespace cloob
