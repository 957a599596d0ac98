#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "cloob/data/tar/shard_index.h"
#include "data/tar/open_files.h"
#include "data/tar/shard_sample.h"

namespace cloob {

/// Reads samples from shards, whatever their members mean. Thread-safe.
class ShardReader {
 public:
  ShardReader(std::vector<std::filesystem::path> shards, const WantedMembers& wanted,
              const IndexOptions& options);

  /// Reads the members with the given suffixes. Throws BadSample if the shard is damaged here or has
  /// vanished.
  ShardSample read(std::int64_t index, const std::vector<std::string>& suffixes) const;
  /// Asks the operating system to prefetch the bytes of a sample.
  void read_ahead(std::int64_t index) const;
  /// The key of a sample. Throws BadSample.
  std::string key(std::int64_t index) const;
  /// "shards/00003.tar, sample 12", counted from 0.
  std::string describe(std::int64_t index) const;
  void add_faults(SourceFaults& faults) const { index_.add_faults(faults); }
  std::int64_t size() const { return index_.size(); }
  std::vector<std::int64_t> shard_sizes() const { return index_.shard_sizes(); }
  std::map<std::string, std::int64_t> member_kinds() const { return index_.member_kinds(); }

 private:
  // Calls visit(scanner, member, name) for each member of a sample until it returns false. Throws BadSample.
  template <class Visit>
  void visit_members(std::int64_t index, std::size_t window_bytes, const Visit& visit) const;

  OpenFiles files_;
  ShardIndex index_;
};

}  // namespace cloob
