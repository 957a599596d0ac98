#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_set>

#include "cloob/base/tally.h"

namespace cloob {

/// Counts the samples of one shard whose key came before.
///
/// Keeps a hash of every key and not the key itself: about 40 bytes a sample, for as long as the shard is
/// scanned. Of a million different keys, some two have the same hash in one of thirty million shards.
class DuplicateKeys {
 public:
  /// `found` has to outlive it; its examples are keys.
  explicit DuplicateKeys(Tally& found) : found_(found) {}

  /// To be called with the key of every sample.
  void add(std::string_view key);

 private:
  Tally& found_;
  std::unordered_set<std::uint64_t> seen_;
};

}  // namespace cloob
