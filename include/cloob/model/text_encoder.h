// The text tower: token ids in, features of the shared space out, not yet normalised.
//
// Shapes: B batch, L tokens, D features.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <cstdint>

#include "cloob/model/model_config.h"
#include "cloob/nn/layers.h"
#include "cloob/nn/transformer.h"

namespace cloob {

/// A causal transformer whose state at the end token is projected.
class TextEncoderImpl : public torch::nn::Module {
 public:
  TextEncoderImpl(const ModelConfig& config, Initializer& initializer);
  /// int64 ids (B, L) with L <= context_length, and for each text the place of its end token (B) -> (B,
  /// embed_dim). What stands behind the end token has no influence and costs nothing. Both may lie on the CPU
  /// whatever the device, which spares waiting for it.
  torch::Tensor forward(const torch::Tensor& tokens_BL, const torch::Tensor& end_positions_B) const;
  /// The same features from work whose shapes do not depend on the lengths of texts: padding is computed too.
  /// Both inputs lie on the tower's device.
  torch::Tensor forward_padded(const torch::Tensor& tokens_BL, const torch::Tensor& end_positions_B) const;

  /// Whether the backward pass computes blocks again instead of keeping what is in them.
  void set_recompute(bool recompute) { transformer_->set_recompute(recompute); }

  /// Registers the tower's tensors in `root`, under the names that they have here: files hold them at their
  /// root.
  void register_in(torch::nn::Module& root) const;

 private:
  torch::Tensor project(const torch::Tensor& end_ND) const;

  torch::Tensor positional_embedding_;
  torch::Tensor projection_;
  Transformer transformer_;
  Embedding token_embedding_;
  LayerNorm output_norm_;
};
TORCH_MODULE(TextEncoder);

}  // namespace cloob
