#include "cloob/nn/transformer.h"

#include <ATen/ops/linear.h>
#include <torch/nn/modules/container/modulelist.h>

#include <cmath>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/nn/attention.h"
#include "cloob/nn/gradient_checkpointing.h"

namespace cloob {
namespace {

torch::Tensor packed_weight(const BlockShape& shape, Initializer& initializer) {
  const std::int64_t width = shape.width;
  if (shape.weight_stds.in_proj) return initializer.normal({3 * width, width}, *shape.weight_stds.in_proj);
  const double fan_in_and_out = static_cast<double>(width + 3 * width);
  return initializer.uniform({3 * width, width}, std::sqrt(6 / fan_in_and_out));  // Glorot and Bengio, 2010
}

}  // namespace

SelfAttentionImpl::SelfAttentionImpl(const BlockShape& shape, Initializer& initializer)
    : heads_(shape.heads),
      causal_(shape.causal),
      in_proj_weight_(register_parameter("in_proj_weight", packed_weight(shape, initializer))),
      in_proj_bias_(register_parameter("in_proj_bias", initializer.constant({3 * shape.width}, 0))),
      out_proj_(register_module(
          "out_proj",
          Linear(shape.width, shape.width,
                 LinearInit{.weight_std = shape.weight_stds.out_proj, .zero_bias = true}, initializer))) {}

torch::Tensor SelfAttentionImpl::forward(const torch::Tensor& x_TD, const SequenceGroups& groups) const {
  std::vector<torch::Tensor> parts =
      split_tokens(at::linear(x_TD, in_proj_weight_, in_proj_bias_), groups);  // (C, L, 3 D) each
  for (torch::Tensor& part : parts) {
    const std::vector<torch::Tensor> qkv_CLD = part.chunk(3, /*dim=*/2);
    part = attend(qkv_CLD[0], qkv_CLD[1], qkv_CLD[2], heads_, causal_).flatten(0, 1);
  }
  return out_proj_->forward(join_groups(parts));
}

torch::Tensor SelfAttentionImpl::forward_pooled(const torch::Tensor& x_TD, const SequenceGroups& groups,
                                                PooledToken pooled) const {
  CLOOB_CHECK(!causal_ || pooled == PooledToken::last, "a causal sequence must be pooled at its last token");
  const std::int64_t width = in_proj_weight_.size(1);
  const std::vector<torch::Tensor> weights = in_proj_weight_.split_with_sizes({width, 2 * width});
  const std::vector<torch::Tensor> biases = in_proj_bias_.split_with_sizes({width, 2 * width});
  const torch::Tensor query_ND = at::linear(pooled_tokens(x_TD, groups, pooled), weights[0], biases[0]);
  std::vector<torch::Tensor> parts = split_tokens(at::linear(x_TD, weights[1], biases[1]), groups);
  const std::vector<torch::Tensor> queries = split_sequences(query_ND, groups);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const std::vector<torch::Tensor> kv_CLD = parts[i].chunk(2, /*dim=*/2);
    parts[i] = attend(queries[i].unsqueeze(1), kv_CLD[0], kv_CLD[1], heads_, /*causal=*/false).squeeze(1);
  }
  return out_proj_->forward(join_groups(parts));
}

MlpImpl::MlpImpl(const BlockShape& shape, Initializer& initializer)
    : activation_(shape.activation),
      expand_(register_module("c_fc", Linear(shape.width, shape.mlp_width(),
                                             LinearInit{.weight_std = shape.weight_stds.c_fc}, initializer))),
      contract_(register_module(
          "c_proj", Linear(shape.mlp_width(), shape.width, LinearInit{.weight_std = shape.weight_stds.c_proj},
                           initializer))) {}

torch::Tensor MlpImpl::forward(const torch::Tensor& x) const {
  return contract_->forward(activate(expand_->forward(x), activation_));
}

ResidualAttentionBlockImpl::ResidualAttentionBlockImpl(const BlockShape& shape, Initializer& initializer)
    : attention_norm_(register_module("ln_1", LayerNorm(shape.width, initializer, shape.norm_eps))),
      attention_(register_module("attn", SelfAttention(shape, initializer))),
      mlp_norm_(register_module("ln_2", LayerNorm(shape.width, initializer, shape.norm_eps))),
      mlp_(register_module("mlp", Mlp(shape, initializer))) {}

torch::Tensor ResidualAttentionBlockImpl::forward(const torch::Tensor& x_TD,
                                                  const SequenceGroups& groups) const {
  const torch::Tensor attended_TD = x_TD + attention_->forward(attention_norm_->forward(x_TD), groups);
  return attended_TD + mlp_->forward(mlp_norm_->forward(attended_TD));
}

torch::Tensor ResidualAttentionBlockImpl::forward_pooled(const torch::Tensor& x_TD,
                                                         const SequenceGroups& groups,
                                                         PooledToken pooled) const {
  const torch::Tensor attended_ND =
      pooled_tokens(x_TD, groups, pooled) +
      attention_->forward_pooled(attention_norm_->forward(x_TD), groups, pooled);
  return attended_ND + mlp_->forward(mlp_norm_->forward(attended_ND));
}

TransformerImpl::TransformerImpl(const BlockShape& shape, std::int64_t layers, Initializer& initializer) {
  const auto list = register_module("resblocks", torch::nn::ModuleList());
  for (std::int64_t layer = 0; layer < layers; ++layer) {
    list->push_back(blocks_.emplace_back(shape, initializer));
  }
}

torch::Tensor TransformerImpl::forward(torch::Tensor x_TD, const SequenceGroups& groups,
                                       PooledToken pooled) const {
  x_TD = run_blocks(std::move(x_TD), groups, blocks_.size() - 1);
  return blocks_.back()->forward_pooled(x_TD, groups, pooled);
}

torch::Tensor TransformerImpl::forward_all(torch::Tensor x_TD, const SequenceGroups& groups) const {
  return run_blocks(std::move(x_TD), groups, blocks_.size());
}

torch::Tensor TransformerImpl::run_blocks(torch::Tensor x_TD, const SequenceGroups& groups,
                                          std::size_t count) const {
  for (std::size_t i = 0; i < count; ++i) {
    const ResidualAttentionBlock& block = blocks_[i];
    const auto run = [block, groups](const torch::Tensor& x) { return block->forward(x, groups); };
    x_TD = gradient_checkpointing_ ? checkpoint_gradients(run, x_TD) : run(x_TD);
  }
  return x_TD;
}

}  // namespace cloob
