#pragma once

#include <cstdint>

namespace cloob {

/// Consecutive elements of a sequence.
struct Slice {
  std::int64_t first = 0;
  std::int64_t count = 0;
};

/// Slice `number` of `num_slices`, which cover `size` elements in order and differ by one element at most.
inline Slice slice_of(std::int64_t size, std::int64_t number, std::int64_t num_slices) {
  const std::int64_t first = size * number / num_slices;
  return {first, size * (number + 1) / num_slices - first};
}

}  // namespace cloob
