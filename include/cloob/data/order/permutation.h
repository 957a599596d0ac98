#pragma once

#include <cstdint>

namespace cloob {

/// A pseudo-random permutation of {0, ..., size-1}, computed element by element without a table.
///
/// A Feistel network permutes the next larger power of two; a value outside the range is encrypted again
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

}  // namespace cloob
