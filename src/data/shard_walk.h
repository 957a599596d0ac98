// Goes through a shard sample by sample.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/tar_scanner.h"

namespace cloob {

/// A member's name taken apart: the sample's key (folders and the file name up to its first dot), and the
/// rest as suffix.
struct MemberName {
  std::string_view key;
  std::string suffix;  ///< in lower case; empty for names that belong to no sample
};
MemberName split_member_name(std::string_view name);

/// One sample as the headers of a shard tell.
struct ShardEntry {
  std::uint64_t begin = 0;  ///< byte of its first header
  std::uint64_t end = 0;    ///< byte behind the data of its last member
  std::string key;
  std::vector<std::string> suffixes;  ///< of its members, in their order
  std::optional<std::string> damage;  ///< why it cannot be read
};

/// The samples of a shard, one after the other.
///
/// Members of one sample follow each other; a new one begins where the key changes or a suffix comes again. A
/// damaged stretch counts as one sample, so that the loss is seen and counted; the walk goes on behind it.
class ShardWalk {
 public:
  /// Called for every member of a sample as it comes, before `next` returns the sample. It may read the
  /// member's content from the scanner.
  using Visit = std::function<void(const TarMember& member, const std::string& suffix)>;

  /// The scanner outlives the walk and is moved by nobody else.
  explicit ShardWalk(TarScanner& scanner) : scanner_(scanner) {}

  /// The next sample; nothing at the end. What `visit` has been shown of a sample that turns out to be
  /// damaged is worthless. Throws TarError where not even the first header is one, and what the input throws.
  std::optional<ShardEntry> next(const Visit& visit = {});
  /// Whether `next` has returned the last sample, as far as is known without going on.
  bool is_over() const { return is_over_ && !damage_behind_; }

 private:
  std::optional<TarMember> take_member();
  void go_on_behind(const TarError& error);

  TarScanner& scanner_;
  std::optional<TarMember> first_of_next_;   // it has ended the sample before
  std::optional<ShardEntry> damage_behind_;  // a sample of its own, found at the end of the one before
  std::size_t usual_members_ = 0;            // of the whole sample before
  bool is_over_ = false;
};

}  // namespace cloob
