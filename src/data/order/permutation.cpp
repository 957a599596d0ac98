#include "cloob/data/order/permutation.h"

#include <algorithm>
#include <bit>

#include "cloob/base/error.h"
#include "cloob/base/random.h"

namespace cloob {
namespace {

constexpr std::uint64_t kRounds = 6;
// With fewer bits, too few permutations of a small set would be reachable.
constexpr unsigned kMinBits = 8;

std::uint64_t low_mask(unsigned bits) { return (std::uint64_t{1} << bits) - 1; }

}  // namespace

Permutation::Permutation(std::uint64_t key, std::int64_t size)
    : key_(key), size_(static_cast<std::uint64_t>(size)) {
  CLOOB_CHECK(size >= 1, "a permutation of {} elements", size);
  const unsigned bits = std::max(kMinBits, static_cast<unsigned>(std::bit_width(size_ - 1)));
  low_bits_ = bits / 2;
  high_bits_ = bits - low_bits_;
}

std::int64_t Permutation::operator()(std::int64_t place) const {
  auto value = static_cast<std::uint64_t>(place);
  CLOOB_CHECK(value < size_, "place {} of {}", place, size_);
  do {
    value = encrypt(value);
  } while (value >= size_);
  return static_cast<std::int64_t>(value);
}

std::uint64_t Permutation::encrypt(std::uint64_t value) const {
  std::uint64_t low = value & low_mask(low_bits_), high = value >> low_bits_;
  for (std::uint64_t round = 0; round < kRounds; ++round) {
    low ^= mix_bits({key_ + 2 * round, high}) & low_mask(low_bits_);
    high ^= mix_bits({key_ + 2 * round + 1, low}) & low_mask(high_bits_);
  }
  return high << low_bits_ | low;
}

}  // namespace cloob
