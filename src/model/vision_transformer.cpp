#include <ATen/ops/cat.h>
#include <ATen/ops/matmul.h>

#include <cmath>

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

}  // namespace

VisionTransformerImpl::VisionTransformerImpl(const ImageEncoderConfig& config, Activation activation,
                                             std::int64_t embed_dim, Initializer& initializer)
    : class_embedding_(register_parameter("class_embedding",
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

torch::Tensor VisionTransformerImpl::forward(const torch::Tensor& images_BCHW) {
  const torch::Tensor patches_BLD = patch_embedding_->forward(images_BCHW).flatten(2).transpose(1, 2);
  const torch::Tensor class_B1D = class_embedding_.expand({patches_BLD.size(0), 1, -1});
  // Under autocast the patches are narrow and the embeddings float32: the residual stream becomes float32
  // here.
  const torch::Tensor embedded_BLD = at::cat({class_B1D, patches_BLD}, 1) + positional_embedding_;
  const torch::Tensor x_BLD = transformer_->forward(input_norm_->forward(embedded_BLD));
  return at::matmul(output_norm_->forward(x_BLD.select(1, 0)), projection_);
}

}  // namespace cloob
