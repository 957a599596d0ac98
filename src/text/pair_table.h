#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace cloob {

/// A hash table from pairs of token ids below 65,535 to the merged token: about one cache line per lookup.
class PairTable {
 public:
  explicit PairTable(std::size_t num_pairs) {
    while ((std::size_t{1} << bits_) < 2 * num_pairs) ++bits_;
    slots_.resize(std::size_t{1} << bits_);
  }

  /// Returns false when the pair already exists.
  bool insert(std::int64_t left, std::int64_t right, std::int64_t merged) {
    Slot& slot = slots_[find_slot(key(left, right))];
    if (slot.key != kFree) return false;
    slot = {key(left, right), static_cast<std::uint32_t>(merged)};
    return true;
  }

  /// The merged token, or `kNone`, which is larger than every token.
  std::int64_t find(std::int64_t left, std::int64_t right) const {
    return slots_[find_slot(key(left, right))].merged;
  }

  static constexpr std::uint32_t kNone = 0xFFFFFFFF;

 private:
  static constexpr std::uint32_t kFree = 0xFFFFFFFF;
  struct Slot {
    std::uint32_t key = kFree;
    std::uint32_t merged = kNone;
  };

  static std::uint32_t key(std::int64_t left, std::int64_t right) {
    return static_cast<std::uint32_t>(left) << 16 | static_cast<std::uint32_t>(right);
  }

  // The slot that holds the key, or the free slot for it.
  std::size_t find_slot(std::uint32_t wanted) const {
    constexpr std::uint32_t kGoldenRatio = 0x9E3779B1;
    std::size_t index = (wanted * kGoldenRatio) >> (32 - bits_);
    while (slots_[index].key != wanted && slots_[index].key != kFree)
      index = (index + 1) & (slots_.size() - 1);
    return index;
  }

  int bits_ = 1;
  std::vector<Slot> slots_;
};

}  // namespace cloob
