#include "cloob/data/sampler.h"

#include <algorithm>
#include <bit>

#include "cloob/base/error.h"
#include "cloob/base/random.h"

namespace cloob {
namespace {

constexpr std::uint64_t kRounds = 6;
// Halves of fewer bits would reach too few permutations of a small set.
constexpr unsigned kFewestBits = 8;

std::uint64_t low_mask(unsigned bits) { return (std::uint64_t{1} << bits) - 1; }

}  // namespace

Permutation::Permutation(std::uint64_t key, std::int64_t size)
    : key_(key), size_(static_cast<std::uint64_t>(size)) {
  CLOOB_CHECK(size >= 1, "a permutation of {} elements", size);
  const unsigned bits = std::max(kFewestBits, static_cast<unsigned>(std::bit_width(size_ - 1)));
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

Sampler::Sampler(Purpose purpose, std::uint64_t seed, std::int64_t size, std::int64_t batch_size)
    : purpose_(purpose), seed_(seed), size_(size), batch_size_(batch_size) {
  CLOOB_CHECK(size >= 1 && batch_size >= 1, "{} samples in batches of {}", size, batch_size);
}

BatchPlaces Sampler::batch_at(std::int64_t position) const {
  CLOOB_CHECK(!ended_at(position) && batches_per_epoch() > 0, "no batch begins at position {}", position);
  BatchPlaces places{position / size_, position % size_, batch_size_, position + batch_size_};
  const std::int64_t left = size_ - places.first;
  if (left >= batch_size_) return places;
  if (purpose_ == Purpose::training) {
    return {places.epoch + 1, 0, batch_size_, (places.epoch + 1) * size_ + batch_size_};
  }
  return {places.epoch, places.first, left, position + left};
}

std::int64_t Sampler::index_at(std::int64_t epoch, std::int64_t place) const {
  if (purpose_ == Purpose::evaluation) return place;
  const auto use = static_cast<std::uint64_t>(RandomUse::sample_order);
  return Permutation(mix_bits({use, seed_, static_cast<std::uint64_t>(epoch)}), size_)(place);
}

std::int64_t Sampler::batches_per_epoch() const {
  return purpose_ == Purpose::training ? size_ / batch_size_ : (size_ + batch_size_ - 1) / batch_size_;
}

bool Sampler::ended_at(std::int64_t position) const {
  return purpose_ == Purpose::evaluation && position >= size_;
}

}  // namespace cloob
