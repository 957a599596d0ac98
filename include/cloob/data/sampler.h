// The order of samples: a pure function of (seed, epoch, place), whose whole state is one integer.
#pragma once

#include <cstdint>

#include "cloob/data/data_config.h"

namespace cloob {

/// A permutation of {0, ..., size-1} that is computed place by place, without a table.
///
/// A Feistel network permutes the next larger power of two; a value outside the range is sent through again
/// until it falls inside (cycle walking).
class Permutation {
 public:
  Permutation(std::uint64_t key, std::int64_t size);
  /// Needs 0 <= place < size.
  std::int64_t operator()(std::int64_t place) const;

 private:
  std::uint64_t encrypt(std::uint64_t value) const;

  std::uint64_t key_;
  std::uint64_t size_;
  unsigned low_bits_;
  unsigned high_bits_;
};

/// The places of one global batch.
struct BatchPlaces {
  std::int64_t epoch = 0;
  std::int64_t first = 0;          ///< place of its first sample in the epoch
  std::int64_t count = 0;          ///< places of the whole batch, over all ranks
  std::int64_t next_position = 0;  ///< position after this batch
};

/// Says which samples come when.
///
/// A position counts places from the start of training: epoch * size + place. It does not depend on batch
/// size, ranks or threads, so that a resumed run with other numbers goes on in the same order. In training
/// every epoch has its own permutation, and what is left when less than a batch remains is dropped; in
/// evaluation samples come as they stand and the last batch may be smaller.
class Sampler {
 public:
  /// Needs size >= 1 and batch_size >= 1.
  Sampler(Purpose purpose, std::uint64_t seed, std::int64_t size, std::int64_t batch_size);

  /// The batch that begins at `position`, or at the next epoch where less than a batch is left of this one.
  BatchPlaces batch_at(std::int64_t position) const;
  /// Number in the source of the sample at a place of an epoch.
  std::int64_t index_at(std::int64_t epoch, std::int64_t place) const;
  std::int64_t batches_per_epoch() const;
  /// Whether nothing is left at `position`; training never ends.
  bool ended_at(std::int64_t position) const;
  std::int64_t size() const { return size_; }

 private:
  Purpose purpose_;
  std::uint64_t seed_;
  std::int64_t size_;
  std::int64_t batch_size_;
};

}  // namespace cloob
