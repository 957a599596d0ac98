// A cache for the features of a frozen tower.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <functional>
#include <unordered_map>
#include <vector>

namespace cloob {

/// A 128-bit hash that identifies an input: a collision within a run is less likely than a memory error.
struct InputKey {
  std::array<std::uint64_t, 2> bits;
  bool operator==(const InputKey&) const = default;
};

/// Keys of the rows of a contiguous tensor on the CPU: hashes of their bytes.
std::vector<InputKey> keys_of_rows(const at::Tensor& rows);
/// Keys of texts, from their tokens up to the end token without padding. int64 on the CPU, (B, L) and (B).
std::vector<InputKey> keys_of_texts(const at::Tensor& tokens_BL, const at::Tensor& end_positions_B);

/// Features by the hash of their input, in host memory: 4 D bytes and about 60 more per input.
///
/// Correct under any augmentation, but useful only if inputs repeat.
class FeatureCache {
 public:
  /// Returns (B, D): cached rows, and the others from `encode`, which gets their indices (int64, K) and
  /// returns (K, D). It is not called if all rows are cached.
  at::Tensor features(const std::vector<InputKey>& keys,
                      const std::function<at::Tensor(const at::Tensor& rows_K)>& encode);

  std::int64_t size() const { return static_cast<std::int64_t>(row_of_key_.size()); }

 private:
  struct Hash {
    std::size_t operator()(const InputKey& key) const { return key.bits[0]; }
  };
  at::Tensor row(std::int64_t index) const;
  void append(const std::vector<InputKey>& keys, const std::vector<std::int64_t>& rows,
              const at::Tensor& features_KD);

  std::unordered_map<InputKey, std::int64_t, Hash> row_of_key_;
  std::vector<at::Tensor> blocks_;  ///< each (kBlockRows, D)
};

}  // namespace cloob
