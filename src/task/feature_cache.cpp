#include "task/feature_cache.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <xxhash.h>

#include <span>

#include "cloob/base/error.h"

namespace cloob {
namespace {

constexpr std::int64_t kBlockRows = 4096;

InputKey key_of(std::span<const std::byte> bytes) {
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return {{hash.low64, hash.high64}};
}

}  // namespace

std::vector<InputKey> keys_of_rows(const at::Tensor& rows) {
  CLOOB_CHECK(rows.is_cpu() && rows.is_contiguous() && rows.dim() >= 1,
              "expected a contiguous tensor on the CPU");
  const auto row_bytes = rows.size(0) == 0 ? 0 : rows.nbytes() / static_cast<std::size_t>(rows.size(0));
  const auto* bytes = static_cast<const std::byte*>(rows.const_data_ptr());
  std::vector<InputKey> keys;
  for (std::int64_t row = 0; row < rows.size(0); ++row, bytes += row_bytes)
    keys.push_back(key_of({bytes, row_bytes}));
  return keys;
}

std::vector<InputKey> keys_of_texts(const at::Tensor& tokens_BL, const at::Tensor& end_positions_B) {
  const at::Tensor tokens = tokens_BL.contiguous(), ends = end_positions_B.contiguous();
  const std::span<const std::int64_t> all(tokens.const_data_ptr<std::int64_t>(),
                                          static_cast<std::size_t>(tokens.numel()));
  const auto width = static_cast<std::size_t>(tokens.size(1));
  std::vector<InputKey> keys;
  for (std::int64_t row = 0; row < tokens.size(0); ++row) {
    const auto length = static_cast<std::size_t>(ends.const_data_ptr<std::int64_t>()[row]) + 1;
    keys.push_back(key_of(std::as_bytes(all.subspan(static_cast<std::size_t>(row) * width, length))));
  }
  return keys;
}

at::Tensor FeatureCache::row(std::int64_t index) const {
  return blocks_[static_cast<std::size_t>(index / kBlockRows)][index % kBlockRows];
}

void FeatureCache::append(const std::vector<InputKey>& keys, const std::vector<std::int64_t>& rows,
                          const at::Tensor& features_KD) {
  const at::Tensor host_KD = features_KD.to(at::kCPU);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::int64_t index = size();
    // Equal rows in one batch are both new; only one of them is stored.
    if (!row_of_key_.emplace(keys[static_cast<std::size_t>(rows[i])], index).second) continue;
    if (index % kBlockRows == 0)
      blocks_.push_back(at::empty({kBlockRows, host_KD.size(1)}, host_KD.options()));
    row(index).copy_(host_KD[static_cast<std::int64_t>(i)]);
  }
}

at::Tensor FeatureCache::features(const std::vector<InputKey>& keys,
                                  const std::function<at::Tensor(const at::Tensor& rows_K)>& encode) {
  std::vector<std::int64_t> missing;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (!row_of_key_.contains(keys[i])) missing.push_back(static_cast<std::int64_t>(i));
  }
  if (!missing.empty()) append(keys, missing, encode(at::tensor(missing, at::kLong)).detach());
  std::vector<at::Tensor> rows;
  for (const InputKey& key : keys) rows.push_back(row(row_of_key_.at(key)));
  return at::stack(rows);
}

}  // namespace cloob
