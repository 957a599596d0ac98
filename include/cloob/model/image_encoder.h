// The image towers: from pixels to features of the shared space, before normalization.
//
// Shapes: B batch, C channels, H W image, D features (embed_dim), W features of the tower.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cloob/model/model_config.h"
#include "cloob/nn/attention_pool.h"
#include "cloob/nn/bottleneck.h"
#include "cloob/nn/layers.h"
#include "cloob/nn/transformer.h"

namespace cloob {

/// Parameters of a tower by depth: element 0 holds the embeddings or the stem, element n the n-th block or
/// ResNet stage. Parameters that are in none of them come after the last.
using ParametersByLayer = std::vector<std::vector<torch::Tensor>>;

class ImageEncoderImpl : public torch::nn::Module {
 public:
  /// (B, 3, image_size, image_size) -> (B, embed_dim).
  torch::Tensor forward(const torch::Tensor& images_BCHW) { return project(tower_features(images_BCHW)); }
  /// (B, 3, image_size, image_size) -> (B, W): what the projection to the shared space gets.
  virtual torch::Tensor tower_features(const torch::Tensor& images_BCHW) = 0;
  /// (B, W) -> (B, embed_dim).
  virtual torch::Tensor project(const torch::Tensor& tower_BW) const = 0;
  /// Whether the backward pass recomputes the blocks instead of storing their activations.
  virtual void set_gradient_checkpointing(bool enabled) = 0;
  virtual ParametersByLayer parameters_by_layer() const = 0;
};
TORCH_MODULE(ImageEncoder);

/// Creates the encoder that `config.image.kind` names. `config` must be valid.
ImageEncoder make_image_encoder(const ModelConfig& config, Initializer& initializer);

/// CLIP's ResNet: a stem of three convolutions, average pooling instead of strided convolutions, attention
/// pooling at the end.
class ModifiedResNetImpl final : public ImageEncoderImpl {
 public:
  ModifiedResNetImpl(const ImageEncoderConfig& config, std::int64_t embed_dim, Initializer& initializer);
  /// W is the width of the last stage, 32 times that of the first.
  torch::Tensor tower_features(const torch::Tensor& images_BCHW) override;
  torch::Tensor project(const torch::Tensor& tower_BW) const override;
  void set_gradient_checkpointing(bool enabled) override { gradient_checkpointing_ = enabled; }
  ParametersByLayer parameters_by_layer() const override;

 private:
  torch::Tensor stem(const torch::Tensor& images_BCHW);

  Conv2d conv1_;
  BatchNorm norm1_;
  Conv2d conv2_;
  BatchNorm norm2_;
  Conv2d conv3_;
  BatchNorm norm3_;
  std::vector<Bottleneck> blocks_;  ///< of all stages
  std::vector<std::size_t> blocks_of_stage_;
  AttentionPool pool_{nullptr};
  bool gradient_checkpointing_ = false;
};
TORCH_MODULE(ModifiedResNet);

/// A transformer over a class token and patches; the final state of the class token is projected. CLIP's by
/// default, timm's with other settings (ImageEncoderConfig::norm_before_blocks and those after it).
class VisionTransformerImpl final : public ImageEncoderImpl {
 public:
  /// `activation` is ModelConfig::image_activation.
  VisionTransformerImpl(const ImageEncoderConfig& config, Activation activation, std::int64_t embed_dim,
                        Initializer& initializer);
  /// W is the width.
  torch::Tensor tower_features(const torch::Tensor& images_BCHW) override;
  torch::Tensor project(const torch::Tensor& tower_BW) const override;
  void set_gradient_checkpointing(bool enabled) override {
    transformer_->set_gradient_checkpointing(enabled);
  }
  ParametersByLayer parameters_by_layer() const override;

 private:
  torch::Tensor drop_patches(const torch::Tensor& embedded_BLD) const;

  std::int64_t trained_patches_;
  torch::Tensor class_embedding_;
  torch::Tensor positional_embedding_;  ///< row 0 belongs to the class token
  torch::Tensor projection_;
  Conv2d patch_embedding_;
  LayerNorm input_norm_{nullptr};  ///< empty without model.image.norm_before_blocks
  Transformer transformer_;
  LayerNorm output_norm_;
};
TORCH_MODULE(VisionTransformer);

}  // namespace cloob
