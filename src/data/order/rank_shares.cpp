#include "cloob/data/order/rank_shares.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <queue>
#include <utility>

#include "cloob/base/error.h"

namespace cloob {

std::vector<std::size_t> assign_parts(const std::vector<std::int64_t>& sizes, std::int64_t ranks) {
  CLOOB_CHECK(ranks >= 1, "{} ranks", ranks);
  std::vector<std::size_t> by_size(sizes.size());
  std::iota(by_size.begin(), by_size.end(), std::size_t{0});
  std::ranges::stable_sort(by_size, std::greater(), [&](std::size_t part) { return sizes[part]; });
  using Load = std::pair<std::int64_t, std::size_t>;  // samples, rank
  std::priority_queue<Load, std::vector<Load>, std::greater<>> least;
  for (std::size_t rank = 0; rank < static_cast<std::size_t>(ranks); ++rank) least.emplace(0, rank);
  std::vector<std::size_t> rank_of(sizes.size());
  for (const std::size_t part : by_size) {
    const auto [load, rank] = least.top();
    least.pop();
    rank_of[part] = rank;
    least.emplace(load + sizes[part], rank);
  }
  return rank_of;
}

RankShares::RankShares(const std::vector<std::int64_t>& part_sizes, std::int64_t ranks)
    : sizes_(static_cast<std::size_t>(ranks)) {
  const std::vector<std::size_t> rank_of = assign_parts(part_sizes, ranks);
  for (std::size_t part = 0; part < part_sizes.size(); ++part) sizes_[rank_of[part]] += part_sizes[part];
}

std::int64_t RankShares::smallest() const { return *std::ranges::min_element(sizes_); }

std::int64_t RankShares::num_samples() const {
  return std::accumulate(sizes_.begin(), sizes_.end(), std::int64_t{0});
}

std::int64_t RankShares::num_places() const { return ranks() * *std::ranges::max_element(sizes_); }

std::int64_t RankShares::samples_before(std::int64_t place) const {
  std::int64_t samples = 0;
  for (std::int64_t rank = 0; rank < ranks(); ++rank) {
    const std::int64_t dealt = (place + ranks() - 1 - rank) / ranks();
    samples += std::min(dealt, size_of(rank));
  }
  return samples;
}

std::int64_t RankShares::place_after(std::int64_t num_samples) const {
  std::int64_t low = 0, high = num_places();
  while (low < high) {
    const std::int64_t middle = low + (high - low + 1) / 2;
    if (samples_before(middle) <= num_samples) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

}  // namespace cloob
