#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace cloob {

/// Multi-head attention, softmax(q k^T / sqrt(D / heads)) v for each head: (B, Q, D) queries against (B, L,
/// D) keys and values give (B, Q, D). Heads lie side by side in D, which must be a multiple of `heads`.
/// `causal` lets position i see positions 0 to i alone.
at::Tensor attend(const at::Tensor& query_BQD, const at::Tensor& key_BLD, const at::Tensor& value_BLD,
                  std::int64_t heads, bool causal);

}  // namespace cloob
