// The transformer of both towers and of RECO's fusion: pre-norm residual blocks of self-attention and an MLP, in the towers of
// four times the width.
//
// Shapes: T tokens of all sequences, N sequences, D features (the width).
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "cloob/nn/activation.h"
#include "cloob/nn/layers.h"
#include "cloob/nn/sequence_groups.h"

namespace cloob {

/// Ratio of the MLP's width to the width of the residual stream, in the towers.
inline constexpr std::int64_t kMlpRatio = 4;

/// Initial standard deviations of a block's weight matrices; unset means LibTorch's default distribution.
struct BlockStds {
  std::optional<double> in_proj;
  std::optional<double> out_proj;
  std::optional<double> c_fc;
  std::optional<double> c_proj;
};

struct BlockShape {
  std::int64_t width;
  std::int64_t heads;
  Activation activation;
  bool causal;
  BlockStds weight_stds;
  double norm_eps = kLayerNormEps;
  double mlp_ratio = kMlpRatio;

  std::int64_t mlp_width() const { return static_cast<std::int64_t>(mlp_ratio * static_cast<double>(width)); }
};

/// Self-attention; the weights of queries, keys and values are packed into one matrix, in that order.
class SelfAttentionImpl : public torch::nn::Module {
 public:
  SelfAttentionImpl(const BlockShape& shape, Initializer& initializer);
  torch::Tensor forward(const torch::Tensor& x_TD, const SequenceGroups& groups) const;
  /// The outputs of the pooled tokens only, (N, D). A causal sequence must be pooled at its last token, which
  /// attends to all others.
  torch::Tensor forward_pooled(const torch::Tensor& x_TD, const SequenceGroups& groups,
                               PooledToken pooled) const;

 private:
  std::int64_t heads_;
  bool causal_;
  torch::Tensor in_proj_weight_;
  torch::Tensor in_proj_bias_;
  Linear out_proj_;
};
TORCH_MODULE(SelfAttention);

class MlpImpl : public torch::nn::Module {
 public:
  MlpImpl(const BlockShape& shape, Initializer& initializer);
  torch::Tensor forward(const torch::Tensor& x) const;

 private:
  Activation activation_;
  Linear expand_;
  Linear contract_;
};
TORCH_MODULE(Mlp);

class ResidualAttentionBlockImpl : public torch::nn::Module {
 public:
  ResidualAttentionBlockImpl(const BlockShape& shape, Initializer& initializer);
  torch::Tensor forward(const torch::Tensor& x_TD, const SequenceGroups& groups) const;
  /// Only the pooled rows of `forward`, (N, D): keys and values are computed for every token, the rest of the
  /// block only for the pooled ones.
  torch::Tensor forward_pooled(const torch::Tensor& x_TD, const SequenceGroups& groups,
                               PooledToken pooled) const;

 private:
  LayerNorm attention_norm_;
  SelfAttention attention_;
  LayerNorm mlp_norm_;
  Mlp mlp_;
};
TORCH_MODULE(ResidualAttentionBlock);

class TransformerImpl : public torch::nn::Module {
 public:
  TransformerImpl(const BlockShape& shape, std::int64_t layers, Initializer& initializer);
  /// (T, D) -> the states of the pooled tokens after the last block, (N, D).
  torch::Tensor forward(torch::Tensor x_TD, const SequenceGroups& groups, PooledToken pooled) const;
  /// (T, D) -> the states of all tokens after the last block, (T, D).
  torch::Tensor forward_all(torch::Tensor x_TD, const SequenceGroups& groups) const;
  /// Whether the backward pass recomputes the blocks instead of storing their activations.
  void set_gradient_checkpointing(bool enabled) { gradient_checkpointing_ = enabled; }
  std::size_t num_blocks() const { return blocks_.size(); }
  std::vector<torch::Tensor> parameters_of_block(std::size_t block) const {
    return blocks_[block]->parameters();
  }

 private:
  torch::Tensor run_blocks(torch::Tensor x_TD, const SequenceGroups& groups, std::size_t count) const;

  std::vector<ResidualAttentionBlock> blocks_;
  bool gradient_checkpointing_ = false;
};
TORCH_MODULE(Transformer);

}  // namespace cloob
