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
  std::int64_t num_repeats = 0;             ///< hashes that came before: all of them less the distinct ones
  std::vector<RepeatedHash> most_frequent;  ///< the most frequent first
};

/// Which hashes occur more than once; zeros do not count. Keeps the `most` most frequent ones.
RepeatedHashes find_repeated(std::vector<std::uint64_t> hashes, std::size_t most);

}  // namespace cloob
