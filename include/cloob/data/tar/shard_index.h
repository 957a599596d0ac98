#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "cloob/data/source.h"
#include "cloob/data/tar/shard_layout.h"

namespace cloob {

/// The members that a usable sample must have: one suffix of each list, earlier ones preferred.
struct WantedMembers {
  std::vector<std::string> image;
  std::vector<std::string> companion;  ///< captions or labels
  std::string advice;                  ///< what to do if no sample has both
};

struct IndexOptions {
  std::int64_t threads = 1;
  /// Where index files of folders without their own are stored; empty: they are not stored.
  std::filesystem::path folder;
  /// Called with the number of scanned shards and the number of those to scan. Calls come from any thread,
  /// one at a time.
  std::function<void(std::int64_t done, std::int64_t total)> progress;
};

/// The layouts of shards, from index files if those are up to date, otherwise by scanning. The result of a
/// scan is stored in `options.folder` if the shards are large enough to be worth it. Throws UserError for a
/// shard that is missing or not a tar file.
std::vector<ShardLayout> find_layouts(const std::vector<std::filesystem::path>& shards,
                                      const IndexOptions& options);

/// Scans the shards that their index files do not describe, and rewrites these files: in `folder`, or beside
/// the shards if it is empty. Returns their paths. Throws UserError.
std::vector<std::filesystem::path> update_index_files(const std::vector<std::filesystem::path>& shards,
                                                      const std::filesystem::path& folder,
                                                      const IndexOptions& options);

/// The samples of a list of shards, indexed consecutively.
class ShardIndex {
 public:
  /// Throws UserError as `find_layouts` does, and if not a single sample has the wanted members.
  ShardIndex(const std::vector<std::filesystem::path>& shards, const WantedMembers& wanted,
             const IndexOptions& options);

  struct Place {
    std::int64_t shard = 0;
    std::int64_t number = 0;              ///< of the sample within its shard
    const std::string* damage = nullptr;  ///< why it cannot be read
  };
  Place place(std::int64_t index) const;
  /// The bytes of a sample in its shard.
  struct Extent {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
  };
  /// Throws UserError if the index file has become shorter.
  Extent extent(const Place& place) const;
  std::int64_t size() const { return first_sample_.back(); }
  std::vector<std::int64_t> shard_sizes() const;
  /// ShardLayout::kinds summed over all shards.
  std::map<std::string, std::int64_t> member_kinds() const;
  void add_faults(SourceFaults& faults) const;

 private:
  std::vector<ShardLayout> layouts_;
  SourceFaults faults_;
  std::vector<std::int64_t> first_sample_ = {0};  // of every shard, then the total number of samples
};

}  // namespace cloob
