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
          .padding = 0};
}

// (B, 3, H, W) -> (B, patches, 3 patch^2), what a convolution with a stride of its size reads; a rest at the
// right and the bottom is left out.
torch::Tensor cut_into_patches(const torch::Tensor& images_BCHW, std::int64_t patch) {
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
      input_norm_(register_module("ln_pre", LayerNorm(config.width, initializer))),
      transformer_(register_module("transformer", Transformer(BlockShape{.width = config.width,
                                                                         .heads = config.heads(),
                                                                         .activation = activation,
                                                                         .causal = false,
                                                                         .weight_stds = {}},
                                                              config.layers.at(0), initializer))),
      output_norm_(register_module("ln_post", LayerNorm(config.width, initializer))) {}

// Keeps the class token and, for each image, patches that are drawn on the device (Li et al., 2023: FLIP).
torch::Tensor VisionTransformerImpl::drop_patches(const torch::Tensor& embedded_BLD) const {
  const std::int64_t num_images = embedded_BLD.size(0), num_patches = embedded_BLD.size(1) - 1;
  const torch::Tensor drawn_BP =
      at::rand({num_images, num_patches}, embedded_BLD.options().dtype(at::kFloat));
  const torch::Tensor kept_BK = std::get<1>(drawn_BP.topk(trained_patches_, 1));
  const torch::Tensor places_BL = at::cat({at::zeros({num_images, 1}, kept_BK.options()), kept_BK + 1}, 1);
  return embedded_BLD.gather(1, places_BL.unsqueeze(2).expand({-1, -1, embedded_BLD.size(2)}));
}

torch::Tensor VisionTransformerImpl::forward(const torch::Tensor& images_BCHW) {
  // A matrix product, whose gradients take a fraction of the time of the convolution's on the CPU.
  const torch::Tensor weight_DP = patch_embedding_->weight.flatten(1);
  const torch::Tensor patches_BLD =
      at::linear(cut_into_patches(images_BCHW, patch_embedding_->weight.size(2)), weight_DP);
  const torch::Tensor class_B1D = class_embedding_.expand({patches_BLD.size(0), 1, -1});
  // Under autocast the patches are narrow and the embeddings float32: the residual stream becomes float32
  // here.
  torch::Tensor embedded_BLD = at::cat({class_B1D, patches_BLD}, 1) + positional_embedding_;
  if (is_training() && 1 + trained_patches_ < embedded_BLD.size(1)) embedded_BLD = drop_patches(embedded_BLD);
  const SequenceGroups groups = {{.count = embedded_BLD.size(0), .length = embedded_BLD.size(1)}};
  const torch::Tensor class_BD =
      transformer_->forward(input_norm_->forward(embedded_BLD).flatten(0, 1), groups, PooledToken::first);
  return at::matmul(output_norm_->forward(class_BD), projection_);
}

}  // namespace cloob
