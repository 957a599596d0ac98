#include <ATen/ops/cat.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <tuple>

#include "cloob/model/image_encoder.h"

namespace cloob {
namespace {

double embedding_std(const ImageEncoderConfig& config) {
  return 1 / std::sqrt(static_cast<double>(config.width));
}

ConvShape patch_conv(const ImageEncoderConfig& config) {
  const std::int64_t patch_size = config.patch_size.value();
  return {.in_channels = 3,
          .out_channels = config.width,
          .kernel = patch_size,
          .stride = patch_size,
          .padding = 0,
          .bias = config.patch_bias};
}

// (B, 3, H, W) -> (B, patches, 3 patch^2): the inputs of a convolution whose stride equals its kernel size;
// incomplete patches at the right and the bottom are dropped.
torch::Tensor extract_patches(const torch::Tensor& images_BCHW, std::int64_t patch) {
  const std::int64_t rows = images_BCHW.size(2) / patch, columns = images_BCHW.size(3) / patch;
  return images_BCHW.narrow(2, 0, rows * patch)
      .narrow(3, 0, columns * patch)
      .unflatten(3, {columns, patch})
      .unflatten(2, {rows, patch})
      .permute({0, 2, 4, 1, 3, 5})
      .flatten(3)
      .flatten(1, 2);
}

}  // namespace

VisionTransformerImpl::VisionTransformerImpl(const ImageEncoderConfig& config, Activation activation,
                                             std::int64_t embed_dim, Initializer& initializer)
    : trained_patches_(config.trained_patches()),
      class_embedding_(register_parameter("class_embedding",
                                          initializer.embedding({config.width}, embedding_std(config)))),
      positional_embedding_(register_parameter(
          "positional_embedding",
          initializer.embedding({config.grid_size() * config.grid_size() + 1, config.width},
                                embedding_std(config)))),
      projection_(
          register_parameter("proj", initializer.normal({config.width, embed_dim}, embedding_std(config)))),
      patch_embedding_(register_module("conv1", Conv2d(patch_conv(config), initializer))),
      input_norm_(
          config.norm_before_blocks
              ? LayerNorm(register_module("ln_pre", LayerNorm(config.width, initializer, config.norm_eps)))
              : LayerNorm(nullptr)),
      transformer_(register_module("transformer", Transformer(BlockShape{.width = config.width,
                                                                         .heads = config.heads(),
                                                                         .activation = activation,
                                                                         .causal = false,
                                                                         .weight_stds = {},
                                                                         .norm_eps = config.norm_eps},
                                                              config.layers.at(0), initializer))),
      output_norm_(register_module("ln_post", LayerNorm(config.width, initializer, config.norm_eps))) {}

// Keeps the class token and a random subset of each image's patches, drawn on the device (FLIP, Li et al.,
// 2023).
torch::Tensor VisionTransformerImpl::drop_patches(const torch::Tensor& embedded_BLD) const {
  const std::int64_t num_images = embedded_BLD.size(0), num_patches = embedded_BLD.size(1) - 1;
  const torch::Tensor random_BP =
      at::rand({num_images, num_patches}, embedded_BLD.options().dtype(at::kFloat));
  const torch::Tensor kept_BK = std::get<1>(random_BP.topk(trained_patches_, 1));
  const torch::Tensor indices_BL = at::cat({at::zeros({num_images, 1}, kept_BK.options()), kept_BK + 1}, 1);
  return embedded_BLD.gather(1, indices_BL.unsqueeze(2).expand({-1, -1, embedded_BLD.size(2)}));
}

torch::Tensor VisionTransformerImpl::tower_features(const torch::Tensor& images_BCHW) {
  // A matrix product instead of a convolution: on the CPU its backward pass takes a fraction of the time.
  const torch::Tensor weight_DP = patch_embedding_->weight.flatten(1);
  const torch::Tensor patches_BLD = at::linear(extract_patches(images_BCHW, patch_embedding_->weight.size(2)),
                                               weight_DP, patch_embedding_->bias);
  const torch::Tensor class_B1D = class_embedding_.expand({patches_BLD.size(0), 1, -1});
  // Under autocast the patches are in lower precision and the embeddings in float32, so the residual stream
  // is float32.
  torch::Tensor embedded_BLD = at::cat({class_B1D, patches_BLD}, 1) + positional_embedding_;
  if (is_training() && 1 + trained_patches_ < embedded_BLD.size(1)) embedded_BLD = drop_patches(embedded_BLD);
  const SequenceGroups groups = {{.count = embedded_BLD.size(0), .length = embedded_BLD.size(1)}};
  if (input_norm_) embedded_BLD = input_norm_->forward(embedded_BLD);
  const torch::Tensor class_BD =
      transformer_->forward(embedded_BLD.flatten(0, 1), groups, PooledToken::first);
  return output_norm_->forward(class_BD);
}

torch::Tensor VisionTransformerImpl::project(const torch::Tensor& tower_BW) const {
  return at::matmul(tower_BW, projection_);
}

ParametersByLayer VisionTransformerImpl::parameters_by_layer() const {
  ParametersByLayer layers = {{class_embedding_, positional_embedding_}};
  const auto add = [&](const torch::nn::Module& module) {
    for (const torch::Tensor& parameter : module.parameters()) layers[0].push_back(parameter);
  };
  add(*patch_embedding_);
  if (input_norm_) add(*input_norm_);
  for (std::size_t block = 0; block < transformer_->num_blocks(); ++block)
    layers.push_back(transformer_->parameters_of_block(block));
  return layers;
}

}  // namespace cloob
