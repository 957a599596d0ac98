#include "cloob/base/random.h"

#include "cloob/base/error.h"

namespace cloob {
namespace {

// The output function of SplitMix64 (Steele, Lea and Flood, 2014): a bijection on 64 bits that passes
// BigCrush when fed with a counter.
std::uint64_t scramble(std::uint64_t bits) {
  bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9ULL;
  bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebULL;
  return bits ^ (bits >> 31);
}

constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15ULL;

}  // namespace

std::uint64_t mix_bits(std::initializer_list<std::uint64_t> words) {
  std::uint64_t mixed = kGolden;
  for (const std::uint64_t word : words) mixed = scramble((mixed ^ scramble(word + kGolden)) + kGolden);
  return mixed;
}

RandomStream::RandomStream(RandomUse use, std::initializer_list<std::uint64_t> key)
    : key_(mix_bits({static_cast<std::uint64_t>(use), mix_bits(key)})) {}

std::uint64_t RandomStream::next() { return scramble(key_ + kGolden * ++counter_); }

double RandomStream::uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

std::uint64_t RandomStream::below(std::uint64_t bound) {
  CLOOB_CHECK(bound >= 1, "cannot draw from an empty range");
  // Rejects the lowest 2^64 mod bound values, so that every result is equally likely.
  const std::uint64_t excess = (0 - bound) % bound;
  for (;;) {
    const std::uint64_t bits = next();
    if (bits >= excess) return bits % bound;
  }
}

std::uint64_t hash_text(std::string_view text, std::uint64_t seed) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return mix_bits({seed, hash});
}

}  // namespace cloob
