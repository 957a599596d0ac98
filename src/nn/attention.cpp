#include "cloob/nn/attention.h"

#include <ATen/ops/scaled_dot_product_attention.h>

namespace cloob {
namespace {

at::Tensor split_heads(const at::Tensor& x_BLD, std::int64_t heads) {
  return x_BLD.unflatten(2, {heads, x_BLD.size(2) / heads}).transpose(1, 2);  // (B, heads, L, D / heads)
}

}  // namespace

at::Tensor attend(const at::Tensor& query_BQD, const at::Tensor& key_BLD, const at::Tensor& value_BLD,
                  std::int64_t heads, bool causal) {
  return at::scaled_dot_product_attention(split_heads(query_BQD, heads), split_heads(key_BLD, heads),
                                          split_heads(value_BLD, heads), /*attn_mask=*/{}, /*dropout_p=*/0.0,
                                          causal)
      .transpose(1, 2)
      .flatten(2);
}

}  // namespace cloob
