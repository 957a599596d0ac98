#include "prepare/repeated_hashes.h"

#include <algorithm>

namespace cloob {

RepeatedHashes find_repeated(std::vector<std::uint64_t> hashes, std::size_t max_kept) {
  std::ranges::sort(hashes);
  RepeatedHashes repeated;
  std::vector<RepeatedHash>& kept = repeated.most_frequent;
  const auto is_more_frequent = [](const RepeatedHash& a, const RepeatedHash& b) {
    return a.count > b.count;
  };
  for (auto first = std::ranges::upper_bound(hashes, std::uint64_t{0}); first != hashes.end();) {
    const auto last = std::upper_bound(first, hashes.end(), *first);
    const std::int64_t count = last - first;
    repeated.num_repeats += count - 1;
    // A heap with the least frequent of the kept hashes at the front.
    if (count > 1 && (kept.size() < max_kept || count > kept.front().count)) {
      if (kept.size() == max_kept) {
        std::ranges::pop_heap(kept, is_more_frequent);
        kept.pop_back();
      }
      kept.push_back({*first, count});
      std::ranges::push_heap(kept, is_more_frequent);
    }
    first = last;
  }
  std::ranges::sort(kept, [](const RepeatedHash& a, const RepeatedHash& b) {
    return a.count != b.count ? a.count > b.count : a.hash < b.hash;
  });
  return repeated;
}

}  // namespace cloob
