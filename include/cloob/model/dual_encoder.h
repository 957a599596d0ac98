// Both towers and the temperature: the model that is trained, saved and evaluated.
//
// Shapes: B batch, C channels, H W image, L tokens, D features (embed_dim).
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <cstdint>

#include "cloob/base/trained_parameter.h"
#include "cloob/model/feature_stage.h"
#include "cloob/model/image_encoder.h"
#include "cloob/model/model_config.h"
#include "cloob/model/text_encoder.h"

namespace cloob {

/// The name of the parameter that open_clip's models trained by `--siglip` have besides those of CLIP.
inline constexpr const char* kLogitBias = "logit_bias";

/// An image tower and a text tower with a shared feature space, and the temperature of their similarities.
///
/// Parameters and buffers are named as in open_clip's CLIP class: those of the image tower under `visual`,
/// those of the text tower, `logit_scale` and, for the sigmoid loss, `logit_bias` at the root.
class DualEncoderImpl : public torch::nn::Module {
 public:
  /// `config` must be valid. `inv_tau` is 1 until it is set or loaded.
  DualEncoderImpl(const ModelConfig& config, Initializer initializer);

  /// Whether the backward pass recomputes the blocks of both towers instead of storing their activations:
  /// less memory, about a third more time.
  void set_gradient_checkpointing(bool enabled);

  /// Freezes a tower: its weights get no gradients and it stays in evaluation mode, regardless of `train`.
  void freeze_image();
  void freeze_text();
  /// Stores the weights of matrix products and convolutions in this dtype. Embeddings, whose gradients are
  /// sums over many rows, and all vectors keep their dtype; open_clip's convert_weights_to_lp also converts
  /// the biases.
  void store_matrices_as(at::ScalarType type);
  void train(bool on = true) override;

  /// (B, 3, image_size, image_size) -> (B, D), L2-normalized rows, at least float32 in any compute precision.
  torch::Tensor encode_image(const torch::Tensor& images_BCHW);
  /// The same, and the features of the stages `more`, also at least float32.
  ImageFeatureStages encode_image(const torch::Tensor& images_BCHW, const FeatureStages& more);
  /// int64 ids (B, L) with L <= context_length and the position of each text's end token (B) -> (B, D), before
  /// normalization, at least float32.
  torch::Tensor encode_text_raw(const torch::Tensor& tokens_BL, const torch::Tensor& end_positions_B) const;
  /// The same, L2-normalized rows.
  torch::Tensor encode_text(const torch::Tensor& tokens_BL, const torch::Tensor& end_positions_B) const;
  /// The same features from work whose shapes do not depend on the lengths of the texts, see
  /// TextEncoderImpl::forward_padded.
  torch::Tensor encode_padded_text(const torch::Tensor& tokens_BL,
                                   const torch::Tensor& end_positions_B) const;

  /// exp(logit_scale), a scalar, differentiable if it is learned.
  torch::Tensor inv_tau() const;
  void set_inv_tau(double inv_tau, bool learned);
  /// The parameter `logit_scale`, the logarithm of the inverse temperature.
  const torch::Tensor& logit_scale() const { return logit_scale_; }

  /// Gives the model the learned parameter `logit_bias`, which only the sigmoid loss has.
  void add_logit_bias(double bias);
  /// Undefined without one.
  const torch::Tensor& logit_bias() const { return logit_bias_; }

  /// All parameters by name, with their tower and layer.
  TrainedParameters trained_parameters() const;

  const ModelConfig& config() const { return config_; }

 private:
  void check_texts(const torch::Tensor& tokens_BL) const;

  ModelConfig config_;
  ImageEncoder image_encoder_;
  TextEncoder text_encoder_;
  torch::Tensor logit_scale_;
  torch::Tensor logit_bias_;
  bool image_is_frozen_ = false;
  bool text_is_frozen_ = false;
};
TORCH_MODULE(DualEncoder);

}  // namespace cloob
