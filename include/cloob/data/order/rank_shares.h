// The samples of an epoch that each rank of a run reads, if no part of the data is read by two of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace cloob {

/// The rank that reads each part: from the largest part to the smallest, the next one goes to the rank that has the fewest
/// samples so far (Graham, Bounds on multiprocessing timing anomalies, 1969: longest processing time first). Of parts of
/// equal size those come first that are first in `sizes`. How many samples each rank gets does not depend on the order of
/// `sizes`.
std::vector<std::size_t> assign_parts(const std::vector<std::int64_t>& sizes, std::int64_t ranks);

/// The shares of the ranks, and the places of an epoch that they have.
///
/// Places are dealt to the ranks in turn: place p is number p / ranks of rank p % ranks. The places of a rank
/// whose share is smaller than the largest are empty at the end. One rank has all places, none of them empty.
class RankShares {
 public:
  /// Of parts of these sizes. Needs ranks >= 1.
  RankShares(const std::vector<std::int64_t>& part_sizes, std::int64_t ranks);

  std::int64_t ranks() const { return static_cast<std::int64_t>(sizes_.size()); }
  /// Samples of a rank.
  std::int64_t size_of(std::int64_t rank) const { return sizes_[static_cast<std::size_t>(rank)]; }
  std::int64_t smallest() const;
  std::int64_t num_samples() const;
  /// Places of an epoch, including empty ones.
  std::int64_t num_places() const;
  /// Needs 0 <= place < num_places().
  bool has_sample(std::int64_t place) const { return place / ranks() < size_of(place % ranks()); }

  /// Samples at places before this one. Needs 0 <= place <= num_places().
  std::int64_t samples_before(std::int64_t place) const;
  /// The last place that has no more than this many samples before it.
  std::int64_t place_after(std::int64_t num_samples) const;

 private:
  std::vector<std::int64_t> sizes_;  // of the ranks
};

}  // namespace cloob
