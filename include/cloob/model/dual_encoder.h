// Both towers and the temperature: what is trained, saved and evaluated.
//
// Shapes: B batch, C channels, H W image, L tokens, D features (embed_dim).
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <cstdint>

#include "cloob/model/image_encoder.h"
#include "cloob/model/model_config.h"
#include "cloob/model/text_encoder.h"

namespace cloob {

/// An image tower and a text tower with one feature space, and the learned temperature of their similarities.
///
/// Parameters and buffers are named as in open_clip's CLIP class: the image tower's under `visual`, the text
/// tower's and `logit_scale` at the root.
class DualEncoderImpl : public torch::nn::Module {
 public:
  /// The config must be valid. `inv_tau` is 1 until it is set or loaded.
  DualEncoderImpl(const ModelConfig& config, Initializer initializer);

  /// Whether the backward pass computes the blocks of both towers again instead of keeping what is in them:
  /// less memory, about a third more time.
  void set_recompute(bool recompute);

  /// From now on the tower's weights get no gradient and it runs as in evaluation, whatever `train` says.
  void freeze_image();
  void freeze_text();
  /// Stores the weights of matrix products and convolutions in this type. Embeddings, whose gradients sum up
  /// many rows, and all vectors stay as they are; open_clip's convert_weights_to_lp also converts the biases.
  void store_matrices_as(at::ScalarType type);
  void train(bool on = true) override;

  /// (B, 3, image_size, image_size) -> (B, D), rows of length 1, float32 or wider whatever the towers compute
  /// in.
  torch::Tensor encode_image(const torch::Tensor& images_BCHW);
  /// int64 ids (B, L) with L <= context_length and the place of each text's end token (B) -> (B, D), rows of
  /// length 1, float32 or wider.
  torch::Tensor encode_text(const torch::Tensor& tokens_BL, const torch::Tensor& end_positions_B) const;
  /// The same features by work of the same shape for all lengths of texts, see TextEncoder::forward_padded.
  torch::Tensor encode_padded_text(const torch::Tensor& tokens_BL,
                                   const torch::Tensor& end_positions_B) const;

  /// exp(logit_scale), a scalar, with a gradient when it is learned.
  torch::Tensor inv_tau() const;
  void set_inv_tau(double inv_tau, bool learned);
  /// The logarithm of the inverse temperature, the parameter `logit_scale`.
  const torch::Tensor& logit_scale() const { return logit_scale_; }

  const ModelConfig& config() const { return config_; }

 private:
  void require_texts(const torch::Tensor& tokens_BL) const;

  ModelConfig config_;
  ImageEncoder image_encoder_;
  TextEncoder text_encoder_;
  torch::Tensor logit_scale_;
  bool image_is_frozen_ = false;
  bool text_is_frozen_ = false;
};
TORCH_MODULE(DualEncoder);

}  // namespace cloob
