// Which samples tar shards hold, and where: eight bytes a sample.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cloob {

/// A member's name taken apart: the sample's key (folders and the file name up to its first dot), and the
/// rest as suffix.
struct MemberName {
  std::string_view key;
  std::string suffix;  ///< in lower case; empty for names that belong to no sample
};
MemberName split_member_name(std::string_view name);

/// The members without which a sample is of no use: one suffix of each list, the earlier ones first.
struct WantedMembers {
  std::vector<std::string> image;
  std::vector<std::string> companion;  ///< captions or labels
  std::string advice;                  ///< what to do where no sample has both
};

/// The samples of a list of shards. Members of one sample follow each other; a new one begins where the key
/// changes or a suffix comes again.
///
/// The rest of a damaged shard counts as one last sample, so that the loss is seen and counted.
class ShardIndex {
 public:
  /// Scans all shards on `threads` threads. Throws UserError for a shard that is no tar file, and when not a
  /// single sample has what is wanted.
  ShardIndex(const std::vector<std::filesystem::path>& shards, const WantedMembers& wanted,
             std::int64_t threads);

  struct Place {
    std::int64_t shard = 0;
    std::int64_t number = 0;  ///< of the sample in its shard
    std::uint64_t begin = 0;  ///< its bytes in the shard
    std::uint64_t end = 0;
    const std::string* fault =
        nullptr;  ///< why the shard ends here, for the sample that stands for the lost rest
  };
  Place place(std::int64_t index) const;
  std::int64_t size() const { return static_cast<std::int64_t>(begins_.size()); }
  /// Damaged shards by number.
  const std::map<std::int64_t, std::string>& faults() const { return faults_; }

 private:
  std::vector<std::uint64_t> begins_;       // of every sample
  std::vector<std::uint64_t> ends_;         // of the last sample of every shard
  std::vector<std::int64_t> first_sample_;  // of every shard, and the number of all samples
  std::map<std::int64_t, std::string> faults_;
};

}  // namespace cloob
