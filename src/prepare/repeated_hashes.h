#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace cloob {

struct RepeatedHash {
  std::uint64_t hash = 0;
  std::int64_t count = 0;  ///< at least 2
};

struct RepeatedHashes {
  std::int64_t num_repeats = 0;             ///< occurrences after the first one of each hash
  std::vector<RepeatedHash> most_frequent;  ///< most frequent first
};

/// Finds hashes that occur more than once, except zeros. Keeps the `max_kept` most frequent ones.
RepeatedHashes find_repeated(std::vector<std::uint64_t> hashes, std::size_t max_kept);

}  // namespace cloob
