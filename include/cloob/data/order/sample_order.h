// Which sample is at which place of an epoch: a pure function of (seed, epoch, place).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "cloob/data/data_config.h"
#include "cloob/data/order/rank_shares.h"

namespace cloob {

/// The interval that `value` falls into: the last of the ascending `begins` that is not greater; of equal
/// ones (empty intervals) the last. Needs begins.front() <= value.
inline std::size_t find_begin(const std::vector<std::int64_t>& begins, std::int64_t value) {
  return static_cast<std::size_t>(std::upper_bound(begins.begin(), begins.end(), value) - begins.begin()) - 1;
}

/// Samples of a source that are stored consecutively: a shard, or a whole table.
struct SourcePart {
  std::int64_t size = 0;
  double weight = 1;  ///< how often each of its samples appears per epoch, on average
};

/// The sample at a place.
struct OrderedSample {
  std::int64_t index = 0;  ///< of the sample in its source
  std::int64_t copy = 0;   ///< distinguishes the appearances of one sample in one epoch
};

struct SampleOrderOptions {
  Shuffle shuffle = Shuffle::none;
  std::int64_t window_parts = 1;  ///< parts that are shuffled together, with Shuffle::windows
  bool with_replacement = false;  ///< needs a shuffle
  std::uint64_t seed = 0;
  /// With Shuffle::windows: samples that are shuffled together, instead of complete parts; 0 means
  /// `window_parts`.
  std::int64_t window_samples = 0;
  /// At most this many samples, spread evenly over the source; 0 takes all. Needs Shuffle::none.
  std::int64_t max_samples = 0;
  /// Ranks over which the parts are divided, so that each is read by one rank (see RankShares). More than one need
  /// `window_samples` if they shuffle, no replacement and no `max_samples`.
  std::int64_t ranks = 1;
};

/// The order of one epoch.
class EpochOrder {
 public:
  virtual ~EpochOrder() = default;
  /// Needs 0 <= place < SampleOrder::size(), and a place that is not empty. Thread-safe.
  virtual OrderedSample at(std::int64_t place) const = 0;
  /// Sort key that restores the stored order within a window: read in ascending order, no part is read
  /// backwards.
  virtual std::int64_t read_order(std::int64_t place) const { return place; }
};

/// The orders of all epochs of a source that consists of consecutive parts.
///
/// `windows` permutes the parts, takes `window_parts` of them at a time and permutes the samples within each
/// such window: every sample appears once per epoch, and only few parts are read at the same time. With
/// `window_samples`, a window ends after that many samples, even in the middle of a part: parts are then read
/// one after another, from front to back. `full` permutes all samples at once, as `windows` does if all parts
/// fit into one window. A part of weight 2.5 appears twice completely and once with a random half of its
/// samples, a different half every epoch. With replacement, every place is drawn independently, each sample
/// with a probability in proportion to its weight.
///
/// Divided over several ranks, the permuted parts of an epoch are assigned to them, and each rank reads and shuffles its
/// own one after another. This order depends on the number of ranks, and some of its places are empty.
class SampleOrder {
 public:
  SampleOrder(std::vector<SourcePart> parts, const SampleOrderOptions& options);
  /// All samples of a source in stored order, each once.
  explicit SampleOrder(std::int64_t size) : SampleOrder({{.size = size}}, {}) {}

  /// The `count` places from `first` on, as an order of its own. Needs an order that is not divided.
  SampleOrder slice(std::int64_t first, std::int64_t count) const;

  /// The same samples in epochs of `samples` places, called episodes, which need not be a complete pass over the data:
  /// one goes on where the one before ended. With replacement, each is drawn anew. Needs an order that is neither divided
  /// nor a slice.
  SampleOrder episodes(std::int64_t samples) const;

  /// Places in an epoch, including empty ones.
  std::int64_t size() const { return size_; }
  bool are_episodes() const { return are_episodes_; }
  /// Passes over the data that an epoch is: 1, unless these are episodes.
  double passes_per_epoch() const { return static_cast<double>(size_) / static_cast<double>(pass_size_); }
  std::int64_t num_samples() const;
  /// What the ranks have of every epoch; of an order that is not divided, all is that of one rank.
  const RankShares& shares() const { return shares_; }
  /// The shares if the parts were divided over this many ranks.
  RankShares shares_of(std::int64_t ranks) const;
  std::shared_ptr<const EpochOrder> of_epoch(std::int64_t epoch) const;

 private:
  std::shared_ptr<const std::vector<SourcePart>> parts_;
  SampleOrderOptions options_;
  bool are_episodes_ = false;  ///< before `shares_`, which is made by asking for it
  RankShares shares_;
  std::int64_t first_ = 0;  ///< the place that a slice begins at
  std::int64_t size_;
  std::int64_t pass_size_;  ///< `size_`, unless these are episodes
};

}  // namespace cloob
