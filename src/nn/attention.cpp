#include "cloob/nn/attention.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <tuple>
#include <vector>

#include "cloob/device/autocast.h"

namespace cloob {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// With fewer keys, float32 is as fast as bf16, and oneDNN does not have to generate new kernels for every
// number of texts of the same length.
constexpr std::int64_t kMinKeysInBf16 = 48;

at::Tensor split_heads(const at::Tensor& x_BLD, std::int64_t heads) {
  return x_BLD.unflatten(2, {heads, x_BLD.size(2) / heads}).transpose(1, 2);  // (B, heads, L, D / heads)
}

// Splits a float32 column into three bf16 columns that sum to it: together they hold its 24 bits.
at::Tensor split_into_bf16_columns(const at::Tensor& column_NL1) {
  std::vector<at::Tensor> columns;
  at::Tensor remainder = column_NL1;
  for (int i = 0; i < 3; ++i) {
    columns.push_back(remainder.to(at::kBFloat16));
    remainder = remainder - columns.back();
  }
  return at::cat(columns, 2);
}

// a b^T - c with one c per row of a, rounded to bf16 only once, after the subtraction: bf16 products
// accumulate in float32, so c is subtracted inside the product, as additional columns.
at::Tensor product_minus_column(const at::Tensor& a_NQD, const at::Tensor& b_NLD,
                                const at::Tensor& column_NQ1) {
  const at::Tensor column_NQ3 = split_into_bf16_columns(-column_NQ1);
  const at::Tensor ones_NL3 = at::ones({b_NLD.size(0), b_NLD.size(1), column_NQ3.size(2)}, b_NLD.options());
  return at::bmm(at::cat({a_NQD, column_NQ3}, 2), at::cat({b_NLD, ones_NL3}, 2).transpose(1, 2));
}

/// LibTorch's bf16 attention on the CPU with a backward pass of batched matrix products. LibTorch's own
/// backward pass takes five to ten times as long (version 2.15, 14 to 197 tokens, heads of 64).
///
/// Shapes: B batch, H heads, Q queries, L keys, D features of a head, N = B H.
class Bf16Attention : public torch::autograd::Function<Bf16Attention> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& query_BHQD,
                            const at::Tensor& key_BHLD, const at::Tensor& value_BHLD, bool causal) {
    const auto [output_BHQD, log_sum_BHQ] = at::_scaled_dot_product_flash_attention_for_cpu(
        query_BHQD, key_BHLD, value_BHLD, /*dropout_p=*/0.0, causal);
    context->save_for_backward({query_BHQD, key_BHLD, value_BHLD, output_BHQD, log_sum_BHQ});
    context->saved_data["causal"] = causal;
    return output_BHQD;
  }

  // With the recomputed weights P = exp(q k^T / sqrt(D) - log sum): dV = P^T dO, dP = dO V^T, dS = P (dP -
  // sum(dO O)), dQ = dS K / sqrt(D), dK = dS^T Q / sqrt(D); see Dao et al., 2022, appendix B.4.
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const at::NoGradGuard no_grad;
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &query = saved[0], &key = saved[1], &value = saved[2];
    const auto by_head = [](const at::Tensor& x_BHLD) { return x_BHLD.flatten(0, 1); };
    const auto by_batch = [&](const at::Tensor& x_NLD) { return x_NLD.unflatten(0, {query.size(0), -1}); };
    const double scale = 1 / std::sqrt(static_cast<double>(query.size(3)));
    const at::Tensor gradient_NQD = by_head(gradients[0]), output_NQD = by_head(saved[3]);
    const at::Tensor query_NQD = by_head(query), key_NLD = by_head(key);

    // Scaled last: a scaled query would be rounded to bf16 once more.
    at::Tensor weights_NQL =
        product_minus_column(query_NQD, key_NLD, by_head(saved[4].unsqueeze(3)) / scale).mul_(scale).exp_();
    if (context->saved_data["causal"].toBool()) weights_NQL.tril_();
    const at::Tensor value_gradient_NLD = at::bmm(weights_NQL.transpose(1, 2), gradient_NQD);
    const at::Tensor row_sum_NQ1 = (gradient_NQD.to(at::kFloat) * output_NQD).sum(2, /*keepdim=*/true);
    const at::Tensor score_gradient_NQL =
        product_minus_column(gradient_NQD, by_head(value), row_sum_NQ1).mul_(weights_NQL);
    return {by_batch(at::bmm(score_gradient_NQL, key_NLD).mul_(scale)),
            by_batch(at::bmm(score_gradient_NQL.transpose(1, 2), query_NQD).mul_(scale)),
            by_batch(value_gradient_NLD),
            {}};
  }
};

at::Tensor attend_by_head(const at::Tensor& query_BHQD, const at::Tensor& key_BHLD,
                          const at::Tensor& value_BHLD, bool causal) {
  const auto sdpa = [causal](const at::Tensor& query, const at::Tensor& key, const at::Tensor& value) {
    return at::scaled_dot_product_attention(query, key, value, /*attn_mask=*/{}, /*dropout_p=*/0.0, causal);
  };
  if (!query_BHQD.is_cpu() || query_BHQD.scalar_type() != at::kBFloat16)
    return sdpa(query_BHQD, key_BHLD, value_BHLD);
  if (key_BHLD.size(2) < kMinKeysInBf16) {
    const Autocast off(at::kCPU, Precision::fp32);  // autocast would cast back to bf16
    return sdpa(query_BHQD.to(at::kFloat), key_BHLD.to(at::kFloat), value_BHLD.to(at::kFloat))
        .to(at::kBFloat16);
  }
  return query_BHQD.requires_grad() ? Bf16Attention::apply(query_BHQD, key_BHLD, value_BHLD, causal)
                                    : sdpa(query_BHQD, key_BHLD, value_BHLD);
}

}  // namespace

at::Tensor attend(const at::Tensor& query_BQD, const at::Tensor& key_BLD, const at::Tensor& value_BLD,
                  std::int64_t heads, bool causal) {
  return attend_by_head(split_heads(query_BQD, heads), split_heads(key_BLD, heads),
                        split_heads(value_BLD, heads), causal)
      .transpose(1, 2)
      .flatten(2);
}

}  // namespace cloob
