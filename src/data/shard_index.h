#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "data/shard_layout.h"

namespace cloob {

/// The members without which a sample is of no use: one suffix of each list, the earlier ones first.
struct WantedMembers {
  std::vector<std::string> image;
  std::vector<std::string> companion;  ///< captions or labels
  std::string advice;                  ///< what to do where no sample has both
};

struct IndexOptions {
  std::int64_t threads = 1;
  /// Where index files of folders without one of their own are kept; empty keeps none.
  std::filesystem::path folder;
  /// Told how many shards have been scanned, of how many that had to be. May be called from any thread, one
  /// at a time.
  std::function<void(std::int64_t done, std::int64_t total)> progress;
};

/// The layouts of shards, from index files where those are up to date, and otherwise by scanning. What was
/// scanned is kept in `options.folder` when it was large enough to be worth it. Throws UserError for a shard
/// that is missing or no tar file.
std::vector<ShardLayout> find_layouts(const std::vector<std::filesystem::path>& shards,
                                      const IndexOptions& options);

/// Scans those shards that the index files beside them do not describe, and writes these anew: into `folder`,
/// or beside the shards where it is empty. Returns their paths. Throws UserError.
std::vector<std::filesystem::path> update_index_files(const std::vector<std::filesystem::path>& shards,
                                                      const std::filesystem::path& folder,
                                                      const IndexOptions& options);

/// The samples of a list of shards, numbered through.
class ShardIndex {
 public:
  /// Throws UserError as `find_layouts` does, and when not a single sample has what is wanted.
  ShardIndex(const std::vector<std::filesystem::path>& shards, const WantedMembers& wanted,
             const IndexOptions& options);

  struct Place {
    std::int64_t shard = 0;
    std::int64_t number = 0;  ///< of the sample in its shard
    std::uint64_t begin = 0;  ///< its bytes in the shard
    std::uint64_t end = 0;
    const std::string* damage = nullptr;  ///< why it cannot be read
  };
  Place place(std::int64_t index) const;
  std::int64_t size() const { return first_sample_.back(); }
  std::vector<std::int64_t> shard_sizes() const;
  /// ShardLayout::kinds of all shards together.
  std::map<std::string, std::int64_t> member_kinds() const;

 private:
  std::vector<ShardLayout> layouts_;
  std::vector<std::int64_t> first_sample_ = {0};  // of every shard, and the number of all samples
};

}  // namespace cloob
