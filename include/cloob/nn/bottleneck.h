#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <cstdint>

#include "cloob/nn/layers.h"

namespace cloob {

/// Ratio of a bottleneck's output channels to its inner channels.
inline constexpr std::int64_t kBottleneckExpansion = 4;

struct BottleneckShape {
  std::int64_t in_channels;
  std::int64_t inner_channels;
  std::int64_t stride;

  std::int64_t out_channels() const { return inner_channels * kBottleneckExpansion; }
  /// Whether the shortcut needs a convolution to match the shape of the block's output.
  bool has_downsample() const { return stride > 1 || in_channels != out_channels(); }
};

/// The shortcut of a bottleneck that changes the shape: average pooling, 1x1 convolution, batch
/// normalization.
class DownsampleImpl : public torch::nn::Module {
 public:
  DownsampleImpl(const BottleneckShape& shape, Initializer& initializer);
  torch::Tensor forward(const torch::Tensor& x_BCHW);

 private:
  std::int64_t stride_;
  Conv2d conv_;
  BatchNorm norm_;
};
TORCH_MODULE(Downsample);

/// The residual block of CLIP's ResNets. Downsampling is done by average pooling after the 3x3 convolution
/// instead of strided convolutions.
///
/// The gain of the last batch norm is initialized to 0, so that a new block is the identity up to its
/// shortcut.
class BottleneckImpl : public torch::nn::Module {
 public:
  BottleneckImpl(const BottleneckShape& shape, Initializer& initializer);
  /// (B, in_channels, H, W) -> (B, 4 inner_channels, H / stride, W / stride).
  torch::Tensor forward(const torch::Tensor& x_BCHW);

 private:
  std::int64_t stride_;
  Conv2d conv1_;
  BatchNorm norm1_;
  Conv2d conv2_;
  BatchNorm norm2_;
  Conv2d conv3_;
  BatchNorm norm3_;
  Downsample downsample_{nullptr};
};
TORCH_MODULE(Bottleneck);

}  // namespace cloob
