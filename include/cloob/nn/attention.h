#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace cloob {

/// Multi-head attention, softmax(q k^T / sqrt(D / heads)) v for each head: queries (B, Q, D) and keys and
/// values (B, L, D) give (B, Q, D). Heads are contiguous slices of D, which must be a multiple of `heads`.
/// With `causal`, position i attends to positions 0 to i only.
at::Tensor attend(const at::Tensor& query_BQD, const at::Tensor& key_BLD, const at::Tensor& value_BLD,
                  std::int64_t heads, bool causal);

}  // namespace cloob
