// Which sample comes at which place of an epoch: a pure function of (seed, epoch, place).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "cloob/data/data_config.h"

namespace cloob {

/// Samples of a source that are stored one behind the other: a shard, or a whole table.
struct SourcePart {
  std::int64_t size = 0;
  double weight = 1;  ///< how often each of its samples comes in an epoch, on average
};

/// What comes at a place.
struct OrderedSample {
  std::int64_t index = 0;  ///< number of the sample in its source
  std::int64_t copy = 0;   ///< tells the appearances of one sample in one epoch apart
};

struct SampleOrderOptions {
  Shuffle shuffle = Shuffle::none;
  std::int64_t window_parts = 1;  ///< parts that are mixed with each other, with Shuffle::windows
  bool with_replacement = false;  ///< needs a shuffle
  std::uint64_t seed = 0;
  /// With Shuffle::windows: samples that are mixed with each other, in the place of whole parts; 0 mixes
  /// parts.
  std::int64_t window_samples = 0;
};

/// The order of one epoch.
class EpochOrder {
 public:
  virtual ~EpochOrder() = default;
  /// Needs 0 <= place < SampleOrder::size(). Thread-safe.
  virtual OrderedSample at(std::int64_t place) const = 0;
  /// Tells in which order the samples of one window have to be read so that none lies behind the next in its
  /// part: by rising numbers.
  virtual std::int64_t reading_number(std::int64_t place) const { return place; }
};

/// The orders of all epochs of a source with these parts, one behind the other.
///
/// `windows` permutes the parts, takes `window_parts` of them at a time and permutes the samples within each
/// such window: every sample comes once an epoch, and only few parts are read at the same time. With
/// `window_samples` a window ends after so many samples, wherever in a part that is: parts are then read one
/// after the other, from front to back. `full`
/// permutes all samples at once, which `windows` comes to as well where all parts fit into one window. A part
/// of weight 2.5 comes twice whole and once with a random half of its samples, another one every epoch. With
/// replacement every place draws for itself, a sample with a probability in proportion to its weight.
class SampleOrder {
 public:
  SampleOrder(std::vector<SourcePart> parts, const SampleOrderOptions& options);

  /// Places in an epoch.
  std::int64_t size() const { return size_; }
  std::shared_ptr<const EpochOrder> of_epoch(std::int64_t epoch) const;

 private:
  std::shared_ptr<const std::vector<SourcePart>> parts_;
  SampleOrderOptions options_;
  std::int64_t size_ = 0;
};

}  // namespace cloob
