// The image towers: pixels in, features of the shared space out, not yet normalised.
//
// Shapes: B batch, C channels, H W image, D features (embed_dim).
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <cstdint>
#include <vector>

#include "cloob/model/model_config.h"
#include "cloob/nn/attention_pool.h"
#include "cloob/nn/bottleneck.h"
#include "cloob/nn/layers.h"
#include "cloob/nn/transformer.h"

namespace cloob {

class ImageEncoderImpl : public torch::nn::Module {
 public:
  /// (B, 3, image_size, image_size) -> (B, embed_dim).
  virtual torch::Tensor forward(const torch::Tensor& images_BCHW) = 0;
  /// Whether the backward pass computes blocks again instead of keeping what is in them.
  virtual void set_recompute(bool recompute) = 0;
};
TORCH_MODULE(ImageEncoder);

/// The encoder that `config.image.kind` names. The config must be valid.
ImageEncoder make_image_encoder(const ModelConfig& config, Initializer& initializer);

/// CLIP's ResNet: a stem of three convolutions, pooling instead of strides, attention pooling at the end.
class ModifiedResNetImpl final : public ImageEncoderImpl {
 public:
  ModifiedResNetImpl(const ImageEncoderConfig& config, std::int64_t embed_dim, Initializer& initializer);
  torch::Tensor forward(const torch::Tensor& images_BCHW) override;
  void set_recompute(bool recompute) override { recompute_ = recompute; }

 private:
  torch::Tensor stem(const torch::Tensor& images_BCHW);

  Conv2d conv1_;
  BatchNorm2d norm1_;
  Conv2d conv2_;
  BatchNorm2d norm2_;
  Conv2d conv3_;
  BatchNorm2d norm3_;
  std::vector<Bottleneck> blocks_;
  AttentionPool pool_{nullptr};
  bool recompute_ = false;
};
TORCH_MODULE(ModifiedResNet);

/// A transformer over patches and a class token, whose last state is projected.
class VisionTransformerImpl final : public ImageEncoderImpl {
 public:
  VisionTransformerImpl(const ImageEncoderConfig& config, Activation activation, std::int64_t embed_dim,
                        Initializer& initializer);
  torch::Tensor forward(const torch::Tensor& images_BCHW) override;
  void set_recompute(bool recompute) override { transformer_->set_recompute(recompute); }

 private:
  torch::Tensor drop_patches(const torch::Tensor& embedded_BLD) const;

  std::int64_t trained_patches_;
  torch::Tensor class_embedding_;
  torch::Tensor positional_embedding_;  ///< row 0 belongs to the class token
  torch::Tensor projection_;
  Conv2d patch_embedding_;
  LayerNorm input_norm_;
  Transformer transformer_;
  LayerNorm output_norm_;
};
TORCH_MODULE(VisionTransformer);

}  // namespace cloob
