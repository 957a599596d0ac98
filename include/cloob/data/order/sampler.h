// Splits epochs into global batches; its whole state is one integer.
#pragma once

#include <cstdint>

#include "cloob/data/data_config.h"

namespace cloob {

/// The places of one global batch.
struct BatchPlaces {
  std::int64_t epoch = 0;
  std::int64_t first = 0;          ///< place of its first sample in the epoch
  std::int64_t count = 0;          ///< places of the global batch, over all ranks
  std::int64_t next_position = 0;  ///< position after this batch
};

/// Determines which places of which epoch make up a batch.
///
/// A position counts places from the start of training: epoch * size + place. It does not depend on batch
/// size or threads, nor on ranks unless the order is divided over them (SampleOrder::shares), so a run resumed
/// with other values of these continues in the same order. In
/// training, the rest of an epoch that is smaller than a batch is dropped, or filled up with the first places
/// of the same epoch (`wrap`: a place >= size stands for place - size); in evaluation there is one epoch and
/// the last batch may be smaller.
class Sampler {
 public:
  /// Needs size >= 1 and batch_size >= 1.
  Sampler(Purpose purpose, std::int64_t size, std::int64_t batch_size, LastBatch last_batch);

  /// The batch that begins at `position`, or at the next epoch if less than a batch is left and dropped.
  BatchPlaces batch_at(std::int64_t position) const;
  std::int64_t batches_per_epoch() const;
  /// Batches from `position` to the end of the epoch of the next batch.
  std::int64_t batches_left(std::int64_t position) const;
  /// Whether nothing is left at `position`; training never ends.
  bool ended_at(std::int64_t position) const;
  std::int64_t size() const { return size_; }

 private:
  std::int64_t batches_of(std::int64_t places) const;

  Purpose purpose_;
  std::int64_t size_;
  std::int64_t batch_size_;
  LastBatch last_batch_;
};

}  // namespace cloob
