// Counter-based pseudo-random numbers: a stream depends only on its key, never on what ran before or on which
// thread.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>

namespace cloob {

/// Mixes words into one well-distributed 64-bit value.
std::uint64_t mix_bits(std::initializer_list<std::uint64_t> words);

/// A hash of text that is the same in every run and on every machine (FNV-1a, mixed with `seed`).
std::uint64_t hash_text(std::string_view text, std::uint64_t seed);

/// Purpose of a stream; part of its key, so that two uses of the same (seed, epoch, index) never share
/// numbers.
enum class RandomUse : std::uint64_t {
  sample_order = 1,
  augmentation,
  caption_choice,
  initialization,
  synthetic_data,
  resampling
};

/// A stream of pseudo-random numbers that is a pure function of its key, for example (use, seed, epoch,
/// sample index).
class RandomStream {
 public:
  RandomStream(RandomUse use, std::initializer_list<std::uint64_t> key);

  std::uint64_t next();
  /// Uniform in [0, 1), 53 random bits.
  double uniform();
  /// Uniform in [low, high).
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  /// Uniform in {0, ..., bound - 1}, without modulo bias. Needs bound >= 1.
  std::uint64_t below(std::uint64_t bound);
  bool bernoulli(double probability) { return uniform() < probability; }

 private:
  std::uint64_t key_;
  std::uint64_t counter_ = 0;
};

}  // namespace cloob
