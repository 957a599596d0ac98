#include "cloob/nn/bottleneck.h"

#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/relu.h>

namespace cloob {
namespace {

torch::Tensor pool(const torch::Tensor& x_BCHW, std::int64_t stride) {
  return stride > 1 ? at::avg_pool2d(x_BCHW, stride) : x_BCHW;
}

}  // namespace

DownsampleImpl::DownsampleImpl(const BottleneckShape& shape, Initializer& initializer)
    : stride_(shape.stride),
      conv_(register_module("0", Conv2d(ConvShape{.in_channels = shape.in_channels,
                                                  .out_channels = shape.out_channels(),
                                                  .kernel = 1},
                                        initializer))),
      norm_(register_module("1", BatchNorm(shape.out_channels(), /*initial_gain=*/1.0, initializer))) {}

torch::Tensor DownsampleImpl::forward(const torch::Tensor& x_BCHW) {
  return norm_->forward(conv_->forward(pool(x_BCHW, stride_)));
}

BottleneckImpl::BottleneckImpl(const BottleneckShape& shape, Initializer& initializer)
    : stride_(shape.stride),
      conv1_(register_module("conv1", Conv2d(ConvShape{.in_channels = shape.in_channels,
                                                       .out_channels = shape.inner_channels,
                                                       .kernel = 1},
                                             initializer))),
      norm1_(register_module("bn1", BatchNorm(shape.inner_channels, /*initial_gain=*/1.0, initializer))),
      conv2_(register_module("conv2", Conv2d(ConvShape{.in_channels = shape.inner_channels,
                                                       .out_channels = shape.inner_channels,
                                                       .kernel = 3,
                                                       .padding = 1},
                                             initializer))),
      norm2_(register_module("bn2", BatchNorm(shape.inner_channels, /*initial_gain=*/1.0, initializer))),
      conv3_(register_module("conv3", Conv2d(ConvShape{.in_channels = shape.inner_channels,
                                                       .out_channels = shape.out_channels(),
                                                       .kernel = 1},
                                             initializer))),
      norm3_(register_module("bn3", BatchNorm(shape.out_channels(), /*initial_gain=*/0.0, initializer))) {
  if (shape.has_downsample()) downsample_ = register_module("downsample", Downsample(shape, initializer));
}

torch::Tensor BottleneckImpl::forward(const torch::Tensor& x_BCHW) {
  // In place where the old value is not needed again: the backward pass of a batch norm reads its input, that
  // of a ReLU its output.
  torch::Tensor y_BCHW = norm1_->forward(conv1_->forward(x_BCHW)).relu_();
  y_BCHW = norm2_->forward(conv2_->forward(y_BCHW)).relu_();
  y_BCHW = norm3_->forward(conv3_->forward(pool(y_BCHW, stride_)));
  return y_BCHW.add_(downsample_ ? downsample_->forward(x_BCHW) : x_BCHW).relu_();
}

}  // namespace cloob
