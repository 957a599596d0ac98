#include "cloob/nn/transformer.h"

#include <ATen/ops/linear.h>
#include <torch/nn/modules/container/modulelist.h>

#include <cmath>

#include "cloob/nn/attention.h"

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

torch::Tensor SelfAttentionImpl::forward(const torch::Tensor& x_BLD) const {
  const std::vector<torch::Tensor> qkv_BLD =
      at::linear(x_BLD, in_proj_weight_, in_proj_bias_).chunk(3, /*dim=*/2);
  return out_proj_->forward(attend(qkv_BLD[0], qkv_BLD[1], qkv_BLD[2], heads_, causal_));
}

MlpImpl::MlpImpl(const BlockShape& shape, Initializer& initializer)
    : activation_(shape.activation),
      expand_(register_module("c_fc", Linear(shape.width, kMlpRatio * shape.width,
                                             LinearInit{.weight_std = shape.weight_stds.c_fc}, initializer))),
      contract_(register_module("c_proj",
                                Linear(kMlpRatio * shape.width, shape.width,
                                       LinearInit{.weight_std = shape.weight_stds.c_proj}, initializer))) {}

torch::Tensor MlpImpl::forward(const torch::Tensor& x_BLD) const {
  return contract_->forward(activate(expand_->forward(x_BLD), activation_));
}

ResidualAttentionBlockImpl::ResidualAttentionBlockImpl(const BlockShape& shape, Initializer& initializer)
    : attention_norm_(register_module("ln_1", LayerNorm(shape.width, initializer))),
      attention_(register_module("attn", SelfAttention(shape, initializer))),
      mlp_norm_(register_module("ln_2", LayerNorm(shape.width, initializer))),
      mlp_(register_module("mlp", Mlp(shape, initializer))) {}

torch::Tensor ResidualAttentionBlockImpl::forward(const torch::Tensor& x_BLD) const {
  const torch::Tensor attended_BLD = x_BLD + attention_->forward(attention_norm_->forward(x_BLD));
  return attended_BLD + mlp_->forward(mlp_norm_->forward(attended_BLD));
}

TransformerImpl::TransformerImpl(const BlockShape& shape, std::int64_t layers, Initializer& initializer) {
  const auto list = register_module("resblocks", torch::nn::ModuleList());
  for (std::int64_t layer = 0; layer < layers; ++layer) {
    list->push_back(blocks_.emplace_back(shape, initializer));
  }
}

torch::Tensor TransformerImpl::forward(torch::Tensor x_BLD) const {
  for (const ResidualAttentionBlock& block : blocks_) x_BLD = block->forward(x_BLD);
  return x_BLD;
}

}  // namespace cloob
