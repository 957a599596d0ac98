#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_set>

#include "cloob/base/tally.h"

namespace cloob {

/// Counts the samples of one shard whose key has occurred before.
///
/// Keeps a hash of every key, not the key itself: about 40 bytes per sample while the shard is scanned. Among
/// a million different keys, two have the same hash in one of thirty million shards.
class DuplicateKeys {
 public:
  /// `found` must outlive it; its examples are keys.
  explicit DuplicateKeys(Tally& found) : found_(found) {}

  /// To be called with the key of every sample.
  void add(std::string_view key);

 private:
  Tally& found_;
  std::unordered_set<std::uint64_t> seen_;
};

}  // namespace cloob
