// Packs data in any format into tar shards of equal size.
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
  /// Maximum length of the shorter side of an image, in pixels.
  std::optional<std::int64_t> resize = std::nullopt;
  std::int64_t quality = 95;  ///< of newly encoded JPEGs, 1 to 100
  /// Unset: samples stay in the order of the source.
  std::optional<std::uint64_t> shuffle_seed = std::nullopt;
  bool resume = false;  ///< continue in a folder where the same packing was interrupted
};

/// Callbacks while samples are packed.
struct PackHooks {
  /// Called once, when the source is open and nothing is written yet: until then, a signal may end the program.
  std::function<void()> opened = {};
  std::function<void(std::int64_t done, std::int64_t total)> progress;  ///< samples
  std::function<bool()> stop_requested;                                 ///< polled after every sample
};

struct PackResult {
  std::int64_t num_samples = 0;   ///< in all shards, including those that existed before
  std::int64_t max_captions = 0;  ///< of one of the samples written now
  std::int64_t num_shards = 0;
  std::int64_t num_kept_shards = 0;  ///< those that existed before
  BadSampleCounts bad;               ///< left out of all shards, including those that existed before
  bool stopped = false;              ///< by `stop_requested`: the rest is missing
};

/// Writes the samples of `names` into `folder`: `00000.tar` ... in the layout of webdataset and img2dataset,
/// `00000_stats.json` ... beside them, `sizes.json`, and the index of the shards.
///
/// `names` are tables, shards (as for make_source) or folders of images with captions beside them. N samples
/// are split into ceil(N / samples_per_shard) shards whose slices of the source differ by at most one sample;
/// unusable samples are left out of their shard. A sample is named by its place, `000000012`, and has the
/// members `.jpg` (or `.png`, `.webp`), `.txt` (its first caption) and `.json`: `captions`, and as
/// `source_key` its name in the source. Images are decoded to check that they are complete; those that need
/// no resizing are copied byte for byte.
///
/// The bytes depend only on source and options, whatever the number of threads. Every file appears when it is
/// complete, so a crash leaves complete shards. Throws UserError: for a folder that is not empty (with
/// `resume`: for one that was started with another source or other options), if more than
/// `config.max_bad_share` of the samples are unusable, for a full disk. The shards written so far then
/// remain.
PackResult pack_data(const DataConfig& config, const std::vector<std::string>& names,
                     const std::filesystem::path& folder, const PackOptions& options, const PackHooks& hooks);

}  // namespace cloob
