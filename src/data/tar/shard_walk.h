// Iterates over a shard sample by sample.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/tar/tar_scanner.h"

namespace cloob {

/// The name of a member, split into the sample's key (folders and the file name up to its first dot) and the
/// suffix (the rest).
struct MemberName {
  std::string_view key;
  std::string suffix;  ///< in lower case; empty for names that belong to no sample
};
MemberName split_member_name(std::string_view name);

/// One sample as described by the headers of a shard.
struct ShardEntry {
  std::uint64_t begin = 0;  ///< offset of its first header
  std::uint64_t end = 0;    ///< offset past the data of its last member
  std::string key;
  std::vector<std::string> suffixes;  ///< of its members, in order
  std::optional<std::string> damage;  ///< why it cannot be read
};

/// Iterates over the samples of a shard.
///
/// The members of a sample are consecutive; a new sample begins where the key changes or a suffix is
/// repeated. A damaged region counts as one sample, so that the loss is visible and counted; the walk resumes
/// after it.
class ShardWalk {
 public:
  /// Called for every member of a sample, before `next` returns the sample. It may read the content of the
  /// member from the scanner.
  using Visit = std::function<void(const TarMember& member, const std::string& suffix)>;

  /// The scanner must outlive the walk and must not be advanced by anyone else.
  explicit ShardWalk(TarScanner& scanner) : scanner_(scanner) {}

  /// The next sample; nullopt at the end. The members that `visit` has seen of a sample that turns out to be
  /// damaged must be discarded. Throws TarError if not even the first header is valid, and what the input
  /// throws.
  std::optional<ShardEntry> next(const Visit& visit = {});
  /// Whether `next` has returned the last sample, as far as is known without reading on.
  bool is_over() const { return is_over_ && !pending_damage_; }

 private:
  std::optional<TarMember> take_member();
  std::string resume_after(const TarError& error);

  TarScanner& scanner_;
  std::optional<TarMember> first_of_next_;    // it ended the previous sample
  std::optional<ShardEntry> pending_damage_;  // a separate sample, found after the previous one
  std::size_t previous_members_ = 0;          // number of members of the previous intact sample
  bool is_over_ = false;
};

}  // namespace cloob
