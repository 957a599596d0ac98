// The text tower: from token ids to features of the shared space, before normalization.
//
// Shapes: B batch, L tokens, D features.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <cstdint>
#include <vector>

#include "cloob/model/model_config.h"
#include "cloob/nn/layers.h"
#include "cloob/nn/transformer.h"

namespace cloob {

/// A causal transformer whose state at the end token is projected.
class TextEncoderImpl : public torch::nn::Module {
 public:
  TextEncoderImpl(const ModelConfig& config, Initializer& initializer);
  /// int64 ids (B, L) with L <= context_length, and the position of each text's end token (B) -> (B,
  /// embed_dim). Tokens after the end token have no influence and cost nothing. Both inputs may be on the CPU
  /// for any device, which avoids a synchronization.
  torch::Tensor forward(const torch::Tensor& tokens_BL, const torch::Tensor& end_positions_B) const;
  /// The same features from work whose shapes do not depend on the lengths of the texts: padding is computed
  /// too. Both inputs must be on the tower's device.
  torch::Tensor forward_padded(const torch::Tensor& tokens_BL, const torch::Tensor& end_positions_B) const;

  /// Whether the backward pass recomputes the blocks instead of storing their activations.
  void set_gradient_checkpointing(bool enabled) { transformer_->set_gradient_checkpointing(enabled); }

  /// Parameters by depth, as for an image tower (ParametersByLayer).
  std::vector<std::vector<torch::Tensor>> parameters_by_layer() const;

  /// Registers the tower's tensors in `root` under the same names: weights files have them at the root.
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
