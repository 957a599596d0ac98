// The layers that have parameters. Parameters and buffers are named as in open_clip's weights files. They
// compute the same as LibTorch's layers of the same names, but get their parameters from an Initializer: each
// weight is drawn once, from the model's own generator, and a model can be built uninitialized. Shapes: B
// batch, L tokens, D features, C channels, H W image.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <cstdint>
#include <optional>

#include "cloob/base/collectives.h"
#include "cloob/nn/initializer.h"

namespace cloob {

/// Initialization of a linear layer; by default weight and bias are uniform in +-1/sqrt(in_features).
struct LinearInit {
  std::optional<double> weight_std;  ///< the weight is drawn from N(0, weight_std^2) instead
  bool zero_bias = false;
};

/// x W^T + b on the last dimension.
class LinearImpl : public torch::nn::Module {
 public:
  LinearImpl(std::int64_t in_features, std::int64_t out_features, const LinearInit& init,
             Initializer& initializer);
  torch::Tensor forward(const torch::Tensor& x) const;

  torch::Tensor weight;
  torch::Tensor bias;
};
TORCH_MODULE(Linear);

struct ConvShape {
  std::int64_t in_channels;
  std::int64_t out_channels;
  std::int64_t kernel;
  std::int64_t stride = 1;
  std::int64_t padding = 0;
  bool bias = false;
};

/// A convolution with a square kernel. Initial weight and bias are uniform in +-1/sqrt(in_channels kernel^2).
class Conv2dImpl : public torch::nn::Module {
 public:
  Conv2dImpl(const ConvShape& shape, Initializer& initializer);
  torch::Tensor forward(const torch::Tensor& x_BCHW) const;

  torch::Tensor weight;
  torch::Tensor bias;  ///< undefined if the shape has none

 private:
  ConvShape shape_;
};
TORCH_MODULE(Conv2d);

/// Batch normalization of (B, C, H, W) or (B, C) with running statistics (momentum 0.1, eps 1e-5). Initial bias 0,
/// initial gain `initial_gain`. In training mode, throws UserError if a channel has a single value.
class BatchNormImpl : public torch::nn::Module {
 public:
  BatchNormImpl(std::int64_t channels, double initial_gain, Initializer& initializer);
  torch::Tensor forward(const torch::Tensor& x);
  /// In training, takes the statistics over the rows of all ranks, which must outlive this.
  void synchronize(const Collectives& collectives) { collectives_ = &collectives; }

 private:
  torch::Tensor forward_synchronized(const torch::Tensor& x);

  const Collectives* collectives_ = nullptr;
  torch::Tensor weight_;
  torch::Tensor bias_;
  torch::Tensor running_mean_;
  torch::Tensor running_var_;
  torch::Tensor num_batches_tracked_;
};
TORCH_MODULE(BatchNorm);

/// Makes all batch norms of a module take their statistics over all ranks.
void synchronize_batch_norms(const torch::nn::Module& module, const Collectives& collectives);

inline constexpr double kLayerNormEps = 1e-5;

/// Layer normalization of the last dimension, computed in at least float32 and cast back to the input's
/// dtype. `eps` is added to the variance.
class LayerNormImpl : public torch::nn::Module {
 public:
  LayerNormImpl(std::int64_t width, Initializer& initializer, double eps = kLayerNormEps);
  torch::Tensor forward(const torch::Tensor& x) const;

 private:
  torch::Tensor weight_;
  torch::Tensor bias_;
  double eps_;
};
TORCH_MODULE(LayerNorm);

/// A table of token embeddings, initialized from N(0, std^2).
class EmbeddingImpl : public torch::nn::Module {
 public:
  EmbeddingImpl(std::int64_t num_rows, std::int64_t width, double std, Initializer& initializer);
  /// int64 ids of any shape (...) -> (..., width).
  torch::Tensor forward(const torch::Tensor& ids_BL) const;

 private:
  torch::Tensor weight_;
};
TORCH_MODULE(Embedding);

}  // namespace cloob
