#include <ATen/ops/avg_pool2d.h>
#include <fmt/core.h>
#include <torch/nn/modules/container/modulelist.h>

#include "cloob/model/image_encoder.h"
#include "cloob/nn/gradient_checkpointing.h"
#include "model/resnet_stages.h"

namespace cloob {
namespace {

ConvShape stem_conv(std::int64_t in_channels, std::int64_t out_channels, std::int64_t stride) {
  return {
      .in_channels = in_channels, .out_channels = out_channels, .kernel = 3, .stride = stride, .padding = 1};
}

void append(std::vector<torch::Tensor>& all, const std::vector<torch::Tensor>& more) {
  all.insert(all.end(), more.begin(), more.end());
}

}  // namespace

ModifiedResNetImpl::ModifiedResNetImpl(const ImageEncoderConfig& config, std::int64_t embed_dim,
                                       Initializer& initializer)
    : conv1_(register_module("conv1", Conv2d(stem_conv(3, config.width / 2, /*stride=*/2), initializer))),
      norm1_(register_module("bn1", BatchNorm(config.width / 2, /*initial_gain=*/1.0, initializer))),
      conv2_(register_module(
          "conv2", Conv2d(stem_conv(config.width / 2, config.width / 2, /*stride=*/1), initializer))),
      norm2_(register_module("bn2", BatchNorm(config.width / 2, /*initial_gain=*/1.0, initializer))),
      conv3_(register_module("conv3",
                             Conv2d(stem_conv(config.width / 2, config.width, /*stride=*/1), initializer))),
      norm3_(register_module("bn3", BatchNorm(config.width, /*initial_gain=*/1.0, initializer))) {
  int stage_number = 0;
  for (const std::vector<BottleneckShape>& stage : resnet_stages(config)) {
    const auto list = register_module(fmt::format("layer{}", ++stage_number), torch::nn::ModuleList());
    for (const BottleneckShape& shape : stage) list->push_back(blocks_.emplace_back(shape, initializer));
    blocks_of_stage_.push_back(stage.size());
  }
  const AttentionPoolShape pool{.grid_size = config.grid_size(),
                                .width = config.feature_width(),
                                .heads = config.heads(),
                                .output_width = embed_dim};
  pool_ = register_module("attnpool", AttentionPool(pool, initializer));
}

torch::Tensor ModifiedResNetImpl::stem(const torch::Tensor& images_BCHW) {
  torch::Tensor x_BCHW = norm1_->forward(conv1_->forward(images_BCHW)).relu_();
  x_BCHW = norm2_->forward(conv2_->forward(x_BCHW)).relu_();
  x_BCHW = norm3_->forward(conv3_->forward(x_BCHW)).relu_();
  return at::avg_pool2d(x_BCHW, /*kernel_size=*/2);
}

torch::Tensor ModifiedResNetImpl::tower_features(const torch::Tensor& images_BCHW) {
  // Convolutions are faster in this memory format, and every layer preserves it.
  torch::Tensor x_BCHW = stem(images_BCHW.contiguous(at::MemoryFormat::ChannelsLast));
  for (const Bottleneck& block : blocks_) {
    const auto run = [block](const torch::Tensor& x) { return Bottleneck(block)->forward(x); };
    x_BCHW = gradient_checkpointing_ ? checkpoint_gradients(run, x_BCHW) : run(x_BCHW);
  }
  return pool_->pool(x_BCHW);
}

torch::Tensor ModifiedResNetImpl::project(const torch::Tensor& tower_BW) const {
  return pool_->project(tower_BW);
}

ParametersByLayer ModifiedResNetImpl::parameters_by_layer() const {
  ParametersByLayer layers(1);
  for (const Conv2d& conv : {conv1_, conv2_, conv3_}) append(layers[0], conv->parameters());
  for (const BatchNorm& norm : {norm1_, norm2_, norm3_}) append(layers[0], norm->parameters());
  auto block = blocks_.begin();
  for (const std::size_t count : blocks_of_stage_) {
    layers.emplace_back();
    for (std::size_t i = 0; i < count; ++i, ++block) append(layers.back(), (*block)->parameters());
  }
  return layers;
}

}  // namespace cloob
