// What a frozen tower made of inputs that it has seen before.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <functional>
#include <unordered_map>
#include <vector>

namespace cloob {

/// 128 bits that stand for an input: two inputs of one run share them by chance less often than memory fails.
struct InputKey {
  std::array<std::uint64_t, 2> bits;
  bool operator==(const InputKey&) const = default;
};

/// Keys of the rows of a contiguous tensor on the CPU, of the bytes that they hold.
std::vector<InputKey> keys_of_rows(const at::Tensor& rows);
/// Keys of texts by their tokens up to the end token; what pads them says nothing. int64 on the CPU, (B, L)
/// and (B).
std::vector<InputKey> keys_of_texts(const at::Tensor& tokens_BL, const at::Tensor& end_positions_B);

/// Features by what they were computed from, in the CPU's memory: 4 D bytes and about 60 more for each input.
///
/// Right under any augmentation, but of use only where inputs come back.
class FeatureCache {
 public:
  /// (B, D): kept rows as they are, the others from `encode`, which is given their numbers (int64, K) and
  /// returns (K, D). It is not called when there are none.
  at::Tensor features(const std::vector<InputKey>& keys,
                      const std::function<at::Tensor(const at::Tensor& rows_K)>& encode);

  std::int64_t size() const { return static_cast<std::int64_t>(places_.size()); }

 private:
  struct Hash {
    std::size_t operator()(const InputKey& key) const { return key.bits[0]; }
  };
  at::Tensor row(std::int64_t place) const;
  void append(const std::vector<InputKey>& keys, const std::vector<std::int64_t>& rows,
              const at::Tensor& features_KD);

  std::unordered_map<InputKey, std::int64_t, Hash> places_;
  std::vector<at::Tensor> blocks_;  ///< each (kBlockRows, D)
};

}  // namespace cloob
