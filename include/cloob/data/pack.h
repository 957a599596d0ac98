// Data of any form into tar shards of equal size.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cloob/data/bad_samples.h"
#include "cloob/data/data_config.h"

namespace cloob {

struct PackOptions {
  std::int64_t samples_per_shard = 10'000;  ///< at most
  /// Most pixels of a picture's shorter side.
  std::optional<std::int64_t> resize = std::nullopt;
  std::int64_t quality = 95;  ///< of the JPEGs that are made, 1 to 100
  /// Unset: samples stay in the order of the source.
  std::optional<std::uint64_t> shuffle_seed = std::nullopt;
  bool resume = false;  ///< go on in a folder where the same packing was stopped
};

/// What happens while samples are packed.
struct PackHooks {
  std::function<void(std::int64_t done, std::int64_t total)> progress;  ///< samples
  std::function<bool()> stop_requested;                                 ///< asked after every sample
};

struct PackResult {
  std::int64_t num_samples = 0;  ///< in the shards, those that were there before included
  std::int64_t num_shards = 0;
  std::int64_t num_kept_shards = 0;  ///< those that were there before
  BadSampleCounts bad;               ///< left out; those of the shards that were there before included
  bool stopped = false;              ///< at the request of the hook: the rest is not there
};

/// Writes the samples of `names` into `folder`: `00000.tar` ... in the layout of webdataset and img2dataset,
/// `00000_stats.json` ... beside them, `sizes.json`, and the index of the shards.
///
/// `names` are tables, shards (as for make_source) or folders of pictures with captions beside them. N
/// samples go into ceil(N / samples_per_shard) shards, whose shares of the source differ by at most one
/// sample; samples that are unusable are left out of theirs. A sample is named by its place, `000000012`, and
/// has the members `.jpg` (or `.png`, `.webp`), `.txt` (its first caption) and `.json`: `captions`, and as
/// `source_key` its name in the source. Pictures are decoded to see that they are whole; those that need no
/// resizing stay as they are, byte for byte.
///
/// The bytes depend on source and options alone, whatever the number of threads. Every file appears when it
/// is complete, so that a crash leaves whole shards. Throws UserError: for a folder that is not empty (unless
/// `resume`, and then for one that was begun with another source or other options), when more than
/// `config.max_bad_share` of the samples are unusable, for a full disk. What is written then stays.
PackResult pack_data(const DataConfig& config, const std::vector<std::string>& names,
                     const std::filesystem::path& folder, const PackOptions& options, const PackHooks& hooks);

}  // namespace cloob
